"""Spaces between levels: resolved bottom-up, checked at every hand-over."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, LevelInputError
from layeredrl.levels import Level
from layeredrl.utils.spaces import action_dim


def resolve_spaces(
    levels: Sequence[Level], env_action_space: gym.Space
) -> list[gym.Space]:
    """Find the action space of every level.

    Args:
        levels: From top to bottom.
        env_action_space: Action space of a single environment instance.

    Returns:
        Action spaces from top to bottom; each is the input space of the level below.

    Raises:
        SpaceError: If a level cannot act in the space below it.
        ConfigurationError: If a level below the top takes no input.
    """
    action_dim(env_action_space)  # raises where actions are of no usable kind
    action_spaces = [env_action_space]
    for i in range(len(levels) - 1, 0, -1):
        space = levels[i].input_space(action_spaces[0])
        if space is None:
            raise ConfigurationError(
                f"level {i} ({type(levels[i]).__name__}) takes no input, so it can only "
                f"be on top, not below level {i - 1} ({type(levels[i - 1]).__name__})"
            )
        action_spaces.insert(0, space)
    return action_spaces


def decision_intervals(levels: Sequence[Level]) -> list[int]:
    """Count the environment steps that one decision of each level nominally takes.

    Args:
        levels: From top to bottom.

    Returns:
        Environment steps per decision, from top to bottom.
    """
    intervals = [1]
    for level in reversed(levels[1:]):
        intervals.insert(0, intervals[0] * level.control_interval)
    return intervals


class ActionCheck:
    """Checks that what a level emits belongs to the space below."""

    def __init__(self, space: gym.Space, level_name: str):
        """Prepare the bounds.

        Args:
            space: The space below.
            level_name: Who emits, for the message.
        """
        self._space = space
        self._level_name = level_name
        self._dim = action_dim(space)
        if isinstance(space, spaces.Box):
            low, high = space.low.reshape(-1), space.high.reshape(-1)
            # Networks round in float32, so a little beyond the bounds is legal.
            slack = 1e-5 * (1.0 + np.abs(np.where(np.isfinite(high), high, 0.0)))
            self._low, self._high = low - slack, high + slack
        else:
            self._low, self._high = np.zeros(self._dim), np.ones(self._dim)

    def __call__(self, action: np.ndarray, instances: np.ndarray) -> None:
        """Check a batch.

        Args:
            action: Action features (B, A).
            instances: Which instances they are for, (B,).

        Raises:
            LevelInputError: If a row has another size, leaves the space, or is NaN.
        """
        if action.shape != (len(instances), self._dim):
            raise LevelInputError(
                f"{self._level_name} emitted shape {action.shape} for {len(instances)} "
                f"instances, the space below takes {self._dim} features: {self._space}"
            )
        inside = (action >= self._low) & (action <= self._high)
        if isinstance(self._space, spaces.Discrete):
            inside &= (action.sum(-1, keepdims=True) == 1.0) & (action % 1.0 == 0.0)
        if not inside.all():
            row = int(np.flatnonzero(~inside.all(-1))[0])
            raise LevelInputError(
                f"{self._level_name} emitted {action[row]} for instance "
                f"{instances[row]}, which is outside the space below: {self._space}"
            )
