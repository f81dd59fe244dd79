"""How good an imagined trajectory is."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.predictors import Predictor, RewardedRollout, distinct_particles

AuxiliaryReward = Callable[[RewardedRollout, Tensor, Tensor], Tensor]
"""Maps a rollout, contexts (R, C) and action features (R, T, A) to values (R,); T counts
steps of the model, for which a decision may be kept."""


@dataclass(frozen=True)
class ObjectiveConfig:
    """What counts in an imagined trajectory, besides its rewards."""

    gamma: float | None = None
    """Discount per step of the model, in [0, 1]. ``None`` is 1 without a terminal value; with
    one it is the discount that the value was learned with, over the environment steps that
    a planned step nominally takes."""
    deterministic: bool = True
    """Whether rollouts follow the mixtures' means instead of drawing."""
    terminal_value: bool = False
    """Whether the value of the last state is added."""
    disagreement_weight: float = 0.0
    """Weight of the variance between the members' mean states, summed over features and
    steps, in squared units of the latent state. Negative is a penalty that keeps plans
    where the model knows, positive a bonus that explores."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if self.gamma is not None and not 0 <= self.gamma <= 1:
            raise ConfigurationError(f"gamma must be in [0, 1], got {self.gamma}")
        if not math.isfinite(self.disagreement_weight):
            raise ConfigurationError(
                f"disagreement_weight must be finite, got {self.disagreement_weight}"
            )

    def check(self, predictor: Predictor) -> None:
        """Refuse a predictor that cannot tell what counts.

        Args:
            predictor: Is to imagine the trajectories.

        Raises:
            ConfigurationError: If it lacks a value or several members.
        """
        if self.terminal_value and predictor.val_func is None:
            raise ConfigurationError(
                "terminal_value=True needs a predictor with a value function, this one has none"
            )
        if self.disagreement_weight and predictor.model.n_models == 1:
            raise ConfigurationError(
                f"disagreement_weight={self.disagreement_weight} needs a model with several "
                "members, this one has n_models=1"
            )


class TrajectoryObjective:
    """Values of candidate sequences for given latent states."""

    def __init__(
        self,
        predictor: Predictor,
        state: Tensor,
        context: Tensor,
        config: ObjectiveConfig,
        auxiliary_rewards: Sequence[AuxiliaryReward] = (),
        n_repeats: int = 1,
    ):
        """Fix the start.

        Args:
            predictor: Imagines the trajectories.
            state: Latent states (B, Z).
            context: Contexts (B, C).
            config: What counts.
            auxiliary_rewards: Further terms, added as they are.
            n_repeats: Steps for which each action of a candidate is kept.
        """
        self._predictor = predictor
        self._state = state
        self._context = context
        self._config = config
        self._n_repeats = n_repeats
        self._auxiliary_rewards = tuple(auxiliary_rewards)
        if config.gamma is not None:
            self._gamma = config.gamma
        elif config.terminal_value:
            self._gamma = predictor.gamma**predictor.decision_interval
        else:
            self._gamma = 1.0

    def __call__(self, candidates: Tensor) -> Tensor:
        """Evaluate candidates.

        Args:
            candidates: Action features (B, K, T, A).

        Returns:
            Values (B, K).
        """
        batch, n_candidates = candidates.shape[:2]
        actions = self.repeated(candidates.flatten(0, 1))
        rollout, context = self.rollout(actions, n_candidates)
        return self.value(rollout, context, actions).view(batch, n_candidates)

    def repeated(self, actions: Tensor) -> Tensor:
        """Keep each action for as long as it is meant.

        Args:
            actions: Action features (R, T, A).

        Returns:
            Action features of each step of the model, (R, T * n_repeats, A).
        """
        if self._n_repeats == 1:
            return actions
        return actions.repeat_interleave(self._n_repeats, dim=1)

    def value(
        self, rollout: RewardedRollout, context: Tensor, actions: Tensor
    ) -> Tensor:
        """Evaluate imagined trajectories.

        Args:
            rollout: A rollout of R rows.
            context: Their contexts (R, C).
            actions: The action features that led there (R, T, A).

        Returns:
            Values (R,).

        Raises:
            ShapeError: If an auxiliary reward returns another shape.
        """
        value = self.predicted_return(rollout).mean((1, 2))
        config = self._config
        if config.terminal_value:
            value = value + self._terminal_value(rollout, context, actions)
        if config.disagreement_weight:
            spread = disagreement(rollout)[:, 1:].sum(-1)
            value = value + config.disagreement_weight * spread
        for auxiliary in self._auxiliary_rewards:
            extra = auxiliary(rollout, context, actions)
            if extra.shape != value.shape:
                raise ShapeError(
                    f"an auxiliary reward must return one number per sequence, "
                    f"{tuple(value.shape)}, got {tuple(extra.shape)}"
                )
            value = value + extra
        return value

    def rollout(
        self, actions: Tensor, n_candidates: int = 1
    ) -> tuple[RewardedRollout, Tensor]:
        """Imagine sequences.

        Args:
            actions: Action features (B * K, T, A), candidates of an instance together.
            n_candidates: Candidates per instance K.

        Returns:
            The rollout of all B * K rows and their contexts (B * K, C).
        """
        state, context = (
            x.repeat_interleave(n_candidates, 0) for x in (self._state, self._context)
        )
        deterministic = self._config.deterministic
        return (
            self._predictor.rollout_latent(state, context, actions, deterministic),
            context,
        )

    def predicted_return(self, rollout: RewardedRollout) -> Tensor:
        """Sum rewards, each weighted by the probability of still being alive.

        Args:
            rollout: A rollout of R rows.

        Returns:
            Returns (R, M, P).
        """
        return (rollout.rew * self._weights(rollout)[..., :-1]).sum(-1)

    def _weights(self, rollout: RewardedRollout) -> Tensor:
        """Probability of being alive at each step, discounted, (R, M, P, T+1)."""
        alive = (1.0 - rollout.term_prob).cumprod(-1)
        alive = torch.nn.functional.pad(alive, (1, 0), value=1.0)
        if self._gamma == 1.0:
            return alive
        steps = torch.arange(alive.shape[-1], device=alive.device)
        return alive * self._gamma**steps

    def _terminal_value(
        self, rollout: RewardedRollout, context: Tensor, actions: Tensor
    ) -> Tensor:
        last = distinct_particles(rollout.state)[..., -1, :]
        lead = last.shape[:-1]
        value = self._predictor.latent_value(
            last,
            context[:, None, None].expand(*lead, -1),
            actions[:, None, None, -1].expand(*lead, -1),
        )
        return (self._weights(rollout)[..., -1] * value).mean((1, 2))


def disagreement(rollout: RewardedRollout) -> Tensor:
    """Variance between members of their mean states.

    Args:
        rollout: A rollout of R rows.

    Returns:
        Variances summed over features, (R, T+1); 0 for a single member.
    """
    mean = rollout.state.mean(2)
    # Tensor.var would warn where there are no rows.
    return (mean - mean.mean(1, keepdim=True)).square().mean(1).sum(-1)
