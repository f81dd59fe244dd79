"""Random actions."""

import numpy as np
from gymnasium import spaces

from layeredrl.errors import SpaceError
from layeredrl.utils.spaces import action_dim, inner_bounds


def check_bounded(space: spaces.Space) -> None:
    """Refuse spaces without a uniform distribution.

    Args:
        space: A space of actions.

    Raises:
        SpaceError: If it is neither a bounded ``Box`` nor ``Discrete``.
    """
    action_dim(space)  # raises where actions are of no usable kind
    if isinstance(space, spaces.Box) and not space.is_bounded():
        raise SpaceError(f"uniform actions need bounds, got {space}")


def sample_features(
    space: spaces.Space, n: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw action features uniformly.

    Args:
        space: A bounded ``Box``, or ``Discrete``.
        n: Number of draws B.
        generator: Source of randomness.

    Returns:
        Features (B, A) float32; one-hot for ``Discrete``.

    Raises:
        SpaceError: If a ``Box`` is not bounded.
    """
    check_bounded(space)
    dim = action_dim(space)
    if isinstance(space, spaces.Discrete):
        return np.eye(dim, dtype=np.float32)[generator.integers(dim, size=n)]
    assert isinstance(space, spaces.Box)
    low, high = inner_bounds(space)
    drawn = generator.uniform(low, high, (n, dim)).astype(np.float32)
    return np.clip(drawn, low, high)  # rounding to float32 can reach beyond
