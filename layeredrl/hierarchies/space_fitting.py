"""Spaces between levels: resolved bottom-up, checked at every hand-over."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from layeredrl.errors import ConfigurationError, LevelInputError, SpaceError
from layeredrl.levels import Level
from layeredrl.utils.space_leaves import leaves
from layeredrl.utils.spaces import action_dim, inner_bounds, single_spaces


def describe_spaces(
    observation_space: gym.Space, action_space: gym.Space
) -> dict[str, str]:
    """Say in words what networks depend on.

    Args:
        observation_space: Observations of a single instance.
        action_space: Actions of a single instance.

    Returns:
        The kinds and sizes of the observation's parts, but not their bounds; the action
        space.
    """
    parts = [
        f"{name or 'array'}: {type(leaf).__name__} of {spaces.flatdim(leaf)}"
        for name, leaf in leaves(observation_space)
    ]
    return {"observations": ", ".join(parts), "actions": str(action_space)}


def check_same_spaces(
    env: gym.Env | VectorEnv, observation_space: gym.Space, action_space: gym.Space
) -> None:
    """Refuse an environment in which a hierarchy cannot act.

    Args:
        env: The environment.
        observation_space: The hierarchy's observation space.
        action_space: The hierarchy's action space.

    Raises:
        SpaceError: If they differ in kinds or sizes, or in the actions.
        ConfigurationError: If it is no environment.
    """
    own = describe_spaces(observation_space, action_space)
    for what, found in describe_spaces(*single_spaces(env)).items():
        if found != own[what]:
            raise SpaceError(
                f"the hierarchy was built for {what} {own[what]}; {env} has {found}"
            )


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
        ConfigurationError: If a level below the top takes no input, or is no level.
    """
    for i, level in enumerate(levels):
        if not isinstance(level, Level):
            raise ConfigurationError(
                f"level {i} is {level!r}; a hierarchy is built from descriptions of "
                "levels, such as RandomLevel()"
            )
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


# Networks and searches round in float32, so a little beyond the bounds is legal.
_SLACK = 1e-5


class ActionCheck:
    """Checks that what a level emits belongs to the space below.

    Attributes:
        neutral: Features of an action in the space, (A,): for instances that have not
            acted yet.
    """

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
            self._low, self._high = inner_bounds(space)
            self.neutral = np.zeros(self._dim, np.float32)
            self.neutral = np.clip(self.neutral, self._low, self._high)
        else:
            self.neutral = np.eye(self._dim, dtype=np.float32)[0]
            self._low, self._high = np.zeros_like(self.neutral), np.ones(self._dim)

    def __call__(self, action: np.ndarray, instances: np.ndarray) -> np.ndarray:
        """Check a batch.

        Args:
            action: Action features (B, A).
            instances: Which instances they are for, (B,).

        Returns:
            The actions in float32; what left the bounds by rounding is back within.

        Raises:
            LevelInputError: If a row has another size, leaves the space, or is not
                finite.
        """
        action = np.asarray(action, np.float32)
        if action.shape != (len(instances), self._dim):
            raise LevelInputError(
                f"{self._level_name} emitted shape {action.shape} for {len(instances)} "
                f"instances, the space below takes {self._dim} features: {self._space}"
            )
        legal = np.clip(action, self._low, self._high)
        with np.errstate(invalid="ignore"):  # infinite where there are no bounds
            inside = np.abs(action - legal) <= _SLACK * (1.0 + np.abs(legal))
        if isinstance(self._space, spaces.Discrete):
            is_one_hot = ((action == 0.0) | (action == 1.0)).all(-1) & (
                action.sum(-1) == 1.0
            )
            inside &= is_one_hot[:, None]
        if not inside.all():
            row = int(np.flatnonzero(~inside.all(-1))[0])
            raise LevelInputError(
                f"{self._level_name} emitted {action[row]} for instance "
                f"{instances[row]}, which is outside the space below: {self._space}"
            )
        return legal
