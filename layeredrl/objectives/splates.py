"""SPlaTES: skills that are predictable as a whole, and correct themselves on the way."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from layeredrl.objectives.skill_objective import SkillObjective
from layeredrl.objectives.skill_outcomes import SkillOutcomes
from layeredrl.objectives.skill_sampler import SkillSampler
from layeredrl.predictors import Predictor


@dataclass(frozen=True)
class SPlaTES(SkillObjective):
    """Pays finished skills for where they led from where they began.

    Guertler & Martius, "Long-Horizon Planning with Predictable Skills", RLC 2025. Only the
    outcome of the whole skill is paid, so a policy that is pushed aside steers back to
    where the level above expects it.
    """

    potential_differences: bool = False
    """Whether the payment is spread over the skill, as the difference of the score after
    and before each decision, with the same other skills."""

    @property
    def shows_start(self) -> bool:
        """The way back depends on where the skill began, and on the time that is left."""
        return True

    @torch.no_grad()
    def score(
        self,
        predictor: Predictor,
        outcomes: SkillOutcomes,
        sampler: SkillSampler,
        n_env_steps: int,
    ) -> tuple[Tensor, np.ndarray]:
        """Score ends of skills, or what each decision adds to the score."""
        if not self.potential_differences:
            return self.score_changes(
                predictor,
                outcomes,
                outcomes.start.unsqueeze(1).expand_as(outcomes.state[:, :-1]),
                outcomes.is_over & outcomes.is_valid,
                sampler,
                n_env_steps,
            )
        potential = self.log_ratios(
            predictor, outcomes, outcomes.state, sampler, n_env_steps
        )
        is_valid = torch.from_numpy(outcomes.is_valid).to(potential.device)
        return potential.diff(dim=1) * is_valid, outcomes.is_valid
