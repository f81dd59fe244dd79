"""Arguments that Gymnasium's environments take, checked and unfolded."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import DTypeLike

from layeredrl.errors import ConfigurationError, ShapeError


def check_autoreset_mode(mode: str | AutoresetMode) -> AutoresetMode:
    """Return an autoreset mode that there is.

    Args:
        mode: The mode or its value, such as ``"NextStep"``.

    Returns:
        The mode.

    Raises:
        ConfigurationError: There is no such mode; the message lists those there are.
    """
    try:
        return AutoresetMode(mode)
    except ValueError:
        known = ", ".join(m.value for m in AutoresetMode)
        raise ConfigurationError(
            f"unknown autoreset_mode {mode!r}; known: {known}"
        ) from None


def check_num_envs(num_envs: int) -> int:
    """Return a number of instances that can be.

    Args:
        num_envs: How many instances there shall be.

    Returns:
        The number.

    Raises:
        ConfigurationError: It is not positive.
    """
    if num_envs < 1:
        raise ConfigurationError(f"num_envs must be positive, got {num_envs}")
    return num_envs


def step_limit(max_episode_steps: int | None) -> int:
    """Return after how many steps an episode is truncated.

    Args:
        max_episode_steps: The limit; ``None`` or Gymnasium's -1 for none.

    Returns:
        The limit, or the largest number there is.

    Raises:
        ConfigurationError: The limit is neither positive nor -1.
    """
    if max_episode_steps is None or max_episode_steps == -1:
        return int(np.iinfo(np.int64).max)
    if max_episode_steps < 1:
        raise ConfigurationError(
            f"max_episode_steps must be positive, got {max_episode_steps}"
        )
    return max_episode_steps


def spread_seeds(
    seed: int | Sequence[int | None] | None, num_envs: int
) -> list[int | None]:
    """Give each instance its seed, like ``SyncVectorEnv``.

    Args:
        seed: One seed, of which instance i gets ``seed + i``; one per instance; or none.
        num_envs: How many instances there are.

    Returns:
        One seed or ``None`` per instance.

    Raises:
        ConfigurationError: There are more or fewer seeds than instances.
    """
    if seed is None:
        return [None] * num_envs
    if isinstance(seed, int | np.integer):
        return [int(seed) + i for i in range(num_envs)]
    if len(seed) != num_envs:
        raise ConfigurationError(f"got {len(seed)} seeds for {num_envs} instances")
    return [None if s is None else int(s) for s in seed]


def check_reset_mask(mask: np.ndarray | None, num_envs: int) -> np.ndarray:
    """Return which instances are to be reset.

    Args:
        mask: The option ``"reset_mask"``; ``None`` for all.
        num_envs: How many instances there are, B.

    Returns:
        A mask of its own, (B,) bool.

    Raises:
        ShapeError: It has another shape.
        ConfigurationError: It is not boolean, or true nowhere.
    """
    if mask is None:
        return np.ones(num_envs, dtype=bool)
    mask = np.array(mask)
    if mask.shape != (num_envs,):
        raise ShapeError(f"reset_mask must have shape ({num_envs},), got {mask.shape}")
    if mask.dtype != np.bool_ or not mask.any():
        raise ConfigurationError(
            "reset_mask must be boolean and true somewhere, "
            f"got {mask.dtype} with {int(mask.astype(bool).sum())} true"
        )
    return mask


def read_reset_options(
    options: Mapping[str, Any] | None,
    n_instances: int,
    shapes: Mapping[str, tuple[int, ...]],
    dtype: DTypeLike | None = np.float64,
) -> dict[str, np.ndarray | None]:
    """Read reset options that are one value for all instances, or one for each.

    Args:
        options: What the caller passed; ``None`` as a value is as good as nothing.
        n_instances: How many instances there are, B.
        shapes: The shape of one value, by the names of all options there are.
        dtype: What values are converted to; ``None`` for what they are.

    Returns:
        For each name the values, (B, ...), or ``None``.

    Raises:
        ConfigurationError: There is no such option; the message lists those there are.
        ShapeError: A value has another shape.
    """
    given: dict[str, np.ndarray | None] = dict.fromkeys(shapes)
    for name, value in (options or {}).items():
        if name not in shapes:
            known = ", ".join(shapes)
            raise ConfigurationError(f"unknown reset option {name!r}; known: {known}")
        if value is None:
            continue
        values = np.asarray(value, dtype=dtype)
        for_all, for_each = shapes[name], (n_instances, *shapes[name])
        if values.shape not in (for_all, for_each):
            raise ShapeError(
                f"reset option {name!r} must have shape {for_all} or {for_each}, "
                f"got {values.shape}"
            )
        given[name] = np.broadcast_to(values, for_each)
    return given


def check_action_shape(actions: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return actions as an array of the expected shape.

    Args:
        actions: What the caller passed.
        shape: What it must be.

    Returns:
        The actions.

    Raises:
        ShapeError: The shape differs.
    """
    actions = np.asarray(actions)
    if actions.shape != shape:
        raise ShapeError(f"actions must have shape {shape}, got {actions.shape}")
    return actions


def check_choices(
    actions: np.ndarray, n_choices: int, ignored: np.ndarray | None = None
) -> np.ndarray:
    """Return discrete actions that there are.

    Args:
        actions: What the caller passed, (B,).
        n_choices: How many actions there are to choose from.
        ignored: Instances whose action does not count, whatever it is, (B,) bool.

    Returns:
        The actions, 0 where ignored, (B,) int.

    Raises:
        ConfigurationError: They are no whole numbers from 0 to ``n_choices`` - 1; the
            message says which of whom.
    """
    if ignored is not None:
        actions = np.where(ignored, np.zeros((), actions.dtype), actions)
    if not np.issubdtype(actions.dtype, np.integer):
        raise ConfigurationError(f"actions must be integers, got {actions.dtype}")
    wrong = np.flatnonzero((actions < 0) | (actions >= n_choices))
    if len(wrong):
        raise ConfigurationError(
            f"the action of instance {wrong[0]} is {actions[wrong[0]]}, "
            f"expected 0 to {n_choices - 1}"
        )
    return actions
