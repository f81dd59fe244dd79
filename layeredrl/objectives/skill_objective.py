"""The contract of what skills are paid for, and the ratio that is paid."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from layeredrl.errors import ConfigurationError
from layeredrl.objectives.skill_outcomes import SkillOutcomes
from layeredrl.objectives.skill_sampler import SkillSampler
from layeredrl.predictors import Predictor
from layeredrl.utils.distributions import log_weights, mixture_log_prob
from layeredrl.utils.schedules import Schedule, as_schedule


@dataclass(frozen=True)
class SkillObjective(ABC):
    r"""Pays a skill for leading where the level above expects it, and no other skill.

    The score of a change from s to s' under skill z is

    .. math::
        \log q(s' | s, c, z) - \log \frac{1}{n + 1}
        \Big(q(s' | s, c, z) + \sum_{i=1}^n q(s' | s, c, z_i)\Big)

    with the model q of the level above and other skills z_i, uniform draws or, if skills
    are discrete, all of them. Likelihoods are those of standardised changes, with a fixed
    standard deviation: the length at which skills repel one another.
    """

    n_skill_samples: int = 100
    """Other skills n that a skill is held against; discrete ones are held against all."""
    fixed_std: Schedule | float = 0.1
    """Standard deviation of the likelihoods, in units of the standardised change (of the
    latent state, if the level above does not whiten changes), by environment steps;
    positive."""
    clip: float = 50.0
    """Largest absolute score of a change, or potential; what is not a number counts as the
    lowest."""
    reward_offset: float = 1.0
    """Added to standardised scores, so that it does not pay to end an episode early."""
    standardizer_momentum: float = 0.005
    """How fast the scores' mean and deviation follow new batches, (0, 1]."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if self.n_skill_samples < 1:
            raise ConfigurationError(
                f"n_skill_samples must be at least 1, got {self.n_skill_samples}"
            )
        if not 0.0 < as_schedule(self.fixed_std)(0) < np.inf:
            raise ConfigurationError(
                f"fixed_std must be positive, got {self.fixed_std}"
            )
        if not 0.0 < self.clip < np.inf or not 0.0 < self.standardizer_momentum <= 1.0:
            raise ConfigurationError(
                "clip must be positive and standardizer_momentum in (0, 1], got "
                f"{self.clip} and {self.standardizer_momentum}"
            )

    @property
    @abstractmethod
    def shows_start(self) -> bool:
        """Whether the policy sees where and how long ago the skill began."""

    @property
    def is_stepwise(self) -> bool:
        """Whether the level above has to decide, and predict, at every single step."""
        return False

    @abstractmethod
    def score(
        self,
        predictor: Predictor,
        outcomes: SkillOutcomes,
        sampler: SkillSampler,
        n_env_steps: int,
    ) -> tuple[Tensor, np.ndarray]:
        """Score what was done.

        Args:
            predictor: The level above's.
            outcomes: What was done.
            sampler: Draws the other skills.
            n_env_steps: Environment steps taken so far; schedules read it.

        Returns:
            Scores in nats (B, T), 0 where nothing is paid; and where something is paid,
            (B, T) bool.
        """

    def score_changes(
        self,
        predictor: Predictor,
        outcomes: SkillOutcomes,
        start: Tensor,
        is_paid: np.ndarray,
        sampler: SkillSampler,
        n_env_steps: int,
    ) -> tuple[Tensor, np.ndarray]:
        """Score what decisions led to; only what is paid is evaluated.

        Args:
            predictor: The level above's.
            outcomes: What was done.
            start: Latent states from which changes count, (B, T, Z).
            is_paid: Which decisions are paid, (B, T) bool.
            sampler: Draws the other skills.
            n_env_steps: Environment steps taken so far.

        Returns:
            Scores in nats (B, T), 0 where nothing is paid; and ``is_paid``.
        """
        score = outcomes.state.new_zeros(is_paid.shape)
        rows, steps = np.nonzero(is_paid)
        if rows.size == 0:
            return score, is_paid
        at = tuple(torch.from_numpy(x).to(score.device) for x in (rows, steps))
        paid = outcomes.rows(rows)._replace(start=start[at])
        reached = outcomes.state[:, 1:][at].unsqueeze(1)
        ratio = self.log_ratios(predictor, paid, reached, sampler, n_env_steps)
        score[at] = ratio.squeeze(1)
        return score, is_paid

    def log_ratios(
        self,
        predictor: Predictor,
        outcomes: SkillOutcomes,
        reached: Tensor,
        sampler: SkillSampler,
        n_env_steps: int,
    ) -> Tensor:
        """Score changes from the starts of skills, with the same other skills for all.

        Args:
            predictor: The level above's.
            outcomes: Where skills started, B of them.
            reached: Latent states that are scored, (B, E, Z).
            sampler: Draws the other skills.
            n_env_steps: Environment steps taken so far.

        Returns:
            Scores in nats (B, E), within ``clip``.

        Raises:
            ConfigurationError: If the schedule of ``fixed_std`` has come to a number that
                is not positive.
        """
        std = as_schedule(self.fixed_std)(n_env_steps)
        if std <= 0.0:
            raise ConfigurationError(
                f"fixed_std must be positive, but is {std} after {n_env_steps} steps"
            )
        others = sampler.alternatives(outcomes.skill, self.n_skill_samples)
        skills = torch.cat([outcomes.skill.unsqueeze(1), others], dim=1)
        n_skills = skills.shape[1]
        start, context = (
            x.repeat_interleave(n_skills, 0) for x in (outcomes.start, outcomes.context)
        )
        means, weights, _ = predictor.predict_standardized(
            start, context, skills.flatten(0, 1)
        )
        change = predictor.delta_standardizer(reached - outcomes.start.unsqueeze(1))
        log_std = change.new_full((), std).log()
        log_prob = mixture_log_prob(
            change.unsqueeze(2),
            means.view(-1, 1, n_skills, *means.shape[1:]),
            log_std.expand(change.shape[-1]),
            log_weights(weights).view(-1, 1, n_skills, weights.shape[1]),
        )  # (B, E, n + 1)
        ratio = log_prob[..., 0] - log_prob.logsumexp(-1) + float(np.log(n_skills))
        return ratio.nan_to_num(nan=-self.clip).clamp(-self.clip, self.clip)
