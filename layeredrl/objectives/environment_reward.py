"""The environment's reward as a level's objective."""

from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from layeredrl.objectives.objective import Objective, Pursuit
from layeredrl.types import Observation
from layeredrl.utils.spaces import action_dim


@dataclass(frozen=True)
class EnvironmentReward(Objective):
    """Pays what the environment pays, whatever the level is asked to do."""

    skill_space: spaces.Space | None = None
    """What a level above may choose, ``Box`` or ``Discrete``; the policy sees it. ``None``
    for a level that is on top."""

    @property
    def input_space(self) -> spaces.Space | None:
        """Take what a level above may choose."""
        return self.skill_space

    def condition_dim(self, obs_dim: int) -> int:
        """Show the input as it is."""
        return 0 if self.skill_space is None else action_dim(self.skill_space)

    def condition(self, obs: Observation, pursuit: Pursuit) -> np.ndarray:
        """Show the input as it is."""
        return pursuit.level_input

    def reward(self, seen: np.ndarray, env_reward: np.ndarray) -> np.ndarray:
        """Pay what the environment paid."""
        return env_reward
