"""Optimizers that fit an action space."""

from collections.abc import Callable

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.optimizers import Optimizer
from layeredrl.utils.spaces import inner_bounds


def box_bounds(action_space: spaces.Space) -> tuple[np.ndarray, np.ndarray]:
    """Read the bounds of an action space.

    Args:
        action_space: A bounded ``Box`` of any shape.

    Returns:
        Lowest and highest value of each feature, (A,) each.

    Raises:
        SpaceError: If the space is of another kind or not bounded.
    """
    if not isinstance(action_space, spaces.Box):
        raise SpaceError(
            f"this optimizer needs a Box of continuous actions, got {action_space}; for "
            "Discrete actions there is CategoricalCEM"
        )
    if not action_space.is_bounded():
        raise SpaceError(
            f"planning needs bounds on all actions, got {action_space}; "
            "gymnasium.wrappers.RescaleAction gives some"
        )
    return inner_bounds(action_space)


def build_optimizer(
    partial_optimizer: Callable[..., Optimizer],
    action_space: spaces.Space,
    device: torch.device,
) -> Optimizer:
    """Build an optimizer for an action space.

    Args:
        partial_optimizer: Called with the lowest and highest values (A,) for a ``Box``,
            with the number of choices for ``Discrete``; and with ``device=``.
        action_space: The actions it searches over.
        device: Where it searches.

    Returns:
        The optimizer.

    Raises:
        SpaceError: If the optimizer cannot search this space.
    """
    if isinstance(action_space, spaces.Discrete):
        try:
            return partial_optimizer(int(action_space.n), device=device)
        except TypeError as error:
            raise SpaceError(
                f"{partial_optimizer} cannot search {action_space}; for Discrete "
                f"actions there is CategoricalCEM ({error})"
            ) from error
    low, high = box_bounds(action_space)
    try:
        return partial_optimizer(low, high, device=device)
    except (TypeError, ConfigurationError) as error:
        raise SpaceError(
            f"{partial_optimizer} cannot search {action_space} ({error})"
        ) from error
