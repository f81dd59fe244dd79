"""The contract of all objectives."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from gymnasium import spaces

from layeredrl.predictors.hindsight import Hindsight
from layeredrl.types import Observation
from layeredrl.utils.mapped_observations import vector_part


class Pursuit(NamedTuple):
    """How far instances are in doing what they were asked to do.

    Attributes:
        level_input: What they were asked to do, features (B, I).
        start: What the objective remembers of the moment when they were asked, (B, S).
        n_decisions: Decisions taken since, (B,) int64.
    """

    level_input: np.ndarray
    start: np.ndarray
    n_decisions: np.ndarray


class Objective(ABC):
    """What a level can be asked to do, and what doing it pays.

    The policy sees the level's vector observation followed by the *condition*, which says
    what it is asked to do. An immutable description.
    """

    @property
    @abstractmethod
    def input_space(self) -> spaces.Space | None:
        """Space of what the level can be asked to do; ``None`` if nobody asks it."""

    @abstractmethod
    def condition_dim(self, obs_dim: int) -> int:
        """Count the features of the condition.

        Args:
            obs_dim: Vector features O that the level sees.

        Returns:
            Their number C.

        Raises:
            SpaceError: If the objective does not fit such observations.
        """

    def remembered(self, obs: Observation) -> np.ndarray:
        """Take what has to be known later of the moment when instances are asked.

        Args:
            obs: What the level sees then, (B, O) float32, or a dict of such.

        Returns:
            It, (B, S) float32; the vector observation unless overridden.
        """
        return vector_part(obs)

    @abstractmethod
    def condition(self, obs: Observation, pursuit: Pursuit) -> np.ndarray:
        """Tell the policy what it is asked to do.

        Args:
            obs: What the level sees now, (B, O) float32, or a dict of such.
            pursuit: What was asked, and when.

        Returns:
            Conditions (B, C) float32.
        """

    @abstractmethod
    def reward(self, seen: np.ndarray, env_reward: np.ndarray) -> np.ndarray:
        """Pay for decisions.

        Args:
            seen: What the policy saw when they were over: vector observation and condition
                (B, O + C).
            env_reward: What the environment paid, (B,).

        Returns:
            Rewards (B,).
        """

    def is_done(self, seen: np.ndarray) -> np.ndarray:
        """Decide whether what was asked for is done, so that control goes back early.

        Args:
            seen: What the policy saw after its decision, (B, O + C).

        Returns:
            Whether it is, (B,) bool.
        """
        return np.zeros(len(seen), dtype=bool)

    def hindsight(self, obs_dim: int) -> Hindsight | None:
        """Describe how experience can be relabelled with what was reached.

        Args:
            obs_dim: Vector features O that the level sees.

        Returns:
            The relabelling; ``None`` if there is none.
        """
        return None
