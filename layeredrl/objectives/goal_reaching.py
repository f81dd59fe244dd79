"""Reaching goals that a level above chooses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.objectives.objective import Objective, Pursuit
from layeredrl.predictors.default_predictor_factory import (
    STATE_KEY,
    goal_observation_space,
)
from layeredrl.predictors.hindsight import Hindsight
from layeredrl.types import Observation
from layeredrl.utils.spaces import ObservationLayout

REWARD_TYPES = ("sparse", "dense")


@dataclass(frozen=True)
class DistanceReward:
    """Reward of a reached state by its distance to the goal, for all rows at once."""

    radius: float
    """Distance at which the goal counts as reached."""
    kind: Literal["sparse", "dense"] = "sparse"
    """``sparse``: 0 where reached, else -1; ``dense``: minus the distance."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.kind not in REWARD_TYPES:
            raise ConfigurationError(
                f"unknown reward_type {self.kind!r}; known: {', '.join(REWARD_TYPES)}"
            )
        if not 0.0 < self.radius < np.inf:
            raise ConfigurationError(f"radius must be positive, got {self.radius}")

    def __call__(
        self, achieved_goal: Any, desired_goal: Any, info: Any = None
    ) -> np.ndarray:
        """Compute the rewards.

        Args:
            achieved_goal: What was reached, (..., G).
            desired_goal: What was to be reached, (..., G).
            info: Not looked at.

        Returns:
            Rewards (...,) float32.
        """
        distance = np.linalg.norm(
            np.asarray(achieved_goal) - np.asarray(desired_goal), axis=-1
        )
        if self.kind == "dense":
            return -distance.astype(np.float32)
        return (distance <= self.radius).astype(np.float32) - np.float32(1.0)


@dataclass(frozen=True)
class GoalReaching(Objective):
    """Asks for a goal, and pays for being there.

    As the lower level of HIRO (Nachum et al. 2018). The condition is the goal.
    """

    goal_space: spaces.Box
    """Bounded space of goals (of offsets from where the level is asked, if relative)."""
    achieved: tuple[int, ...]
    """Columns of the vector observation that hold the achieved goal."""
    radius: float
    """Distance at which a goal counts as reached, in units of the goal."""
    reward_type: Literal["sparse", "dense"] = "sparse"
    """``sparse``: 0 where reached, else -1; ``dense``: minus the distance."""
    is_relative: bool = False
    """Whether inputs are offsets from the achieved goal when the level is asked."""
    ends_when_reached: bool = True
    """Whether control goes back as soon as the goal is reached."""
    hindsight_ratio: float = 0.8
    """Share of sampled stretches whose goal is one that was reached later, [0, 1]."""

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        if not isinstance(self.goal_space, spaces.Box):
            raise SpaceError(f"goals live in a Box, got {self.goal_space}")
        if not self.goal_space.is_bounded():
            raise SpaceError(f"goals need bounds, got {self.goal_space}")
        n_goal = int(np.prod(self.goal_space.shape))
        if len(self.achieved) != n_goal:
            raise ConfigurationError(
                f"goals have {n_goal} features, but the achieved goal has the columns "
                f"{self.achieved}"
            )
        if not 0.0 <= self.hindsight_ratio <= 1.0:
            raise ConfigurationError(
                f"hindsight_ratio must be in [0, 1], got {self.hindsight_ratio}"
            )
        DistanceReward(self.radius, self.reward_type)  # refuses what it cannot pay by

    @classmethod
    def of(
        cls,
        env: gym.Env | VectorEnv,
        low: Sequence[float] | float,
        high: Sequence[float] | float,
        radius: float,
        **options: Any,
    ) -> "GoalReaching":
        """Reach what a goal environment calls its achieved goal.

        Args:
            env: A goal-based environment or vector environment.
            low: Lower bounds of goals, one for all features or one each.
            high: Upper bounds.
            radius: Distance at which a goal counts as reached.
            **options: Other fields.

        Returns:
            The objective, for a level that sees all of the observation.

        Raises:
            SpaceError: If the environment is not goal-based, or bounds do not fit.
        """
        layout = ObservationLayout.of(goal_observation_space(env))
        columns = tuple(layout.columns_of(STATE_KEY))
        bounds = [np.asarray(bound, np.float32) for bound in (low, high)]
        if any(bound.shape not in {(), (len(columns),)} for bound in bounds):
            raise SpaceError(
                f"goals have {len(columns)} features; their bounds must be one number or "
                f"as many, got {low} and {high}"
            )
        lowest, highest = (np.full(len(columns), b, np.float32) for b in bounds)
        return cls(
            goal_space=spaces.Box(lowest, highest),
            achieved=columns,
            radius=radius,
            **options,
        )

    @property
    def input_space(self) -> spaces.Space | None:
        """Take goals, or offsets."""
        return self.goal_space

    def condition_dim(self, obs_dim: int) -> int:
        """Show the goal."""
        if max(self.achieved) >= obs_dim or min(self.achieved) < 0:
            raise SpaceError(
                f"the achieved goal is in the columns {self.achieved}, but the level "
                f"sees only {obs_dim} features"
            )
        return len(self.achieved)

    def condition(self, obs: Observation, pursuit: Pursuit) -> np.ndarray:
        """Show the goal, absolute even if it was asked for as an offset."""
        goal = pursuit.level_input
        if self.is_relative:
            goal = goal + pursuit.start[:, list(self.achieved)]
        return goal

    def reward(self, seen: np.ndarray, env_reward: np.ndarray) -> np.ndarray:
        """Pay for being near the goal; the environment's reward does not count."""
        pay = DistanceReward(self.radius, self.reward_type)
        return pay(*self._goals(seen))

    def is_done(self, seen: np.ndarray) -> np.ndarray:
        """Hand control back where the goal is reached."""
        if not self.ends_when_reached:
            return super().is_done(seen)
        return DistanceReward(self.radius)(*self._goals(seen)) == 0.0

    def hindsight(self, obs_dim: int) -> Hindsight | None:
        """Replace the condition with what was reached later."""
        if self.hindsight_ratio == 0.0:
            return None
        return Hindsight(
            achieved=self.achieved,
            desired=tuple(range(obs_dim, obs_dim + len(self.achieved))),
            compute_reward=DistanceReward(self.radius, self.reward_type),
            ratio=self.hindsight_ratio,
            decision_reward="last",
        )

    def _goals(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n_goal = len(self.achieved)
        return seen[:, list(self.achieved)], seen[:, seen.shape[1] - n_goal :]
