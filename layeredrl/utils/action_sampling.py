"""Random actions."""

import numpy as np
from gymnasium import spaces

from layeredrl.errors import SpaceError
from layeredrl.utils.spaces import action_dim, inner_bounds


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
    dim = action_dim(space)
    if isinstance(space, spaces.Discrete):
        return np.eye(dim, dtype=np.float32)[generator.integers(dim, size=n)]
    assert isinstance(space, spaces.Box)
    if not space.is_bounded():
        raise SpaceError(f"uniform actions need bounds, got {space}")
    low, high = inner_bounds(space)
    drawn = generator.uniform(low, high, (n, dim)).astype(np.float32)
    return np.clip(drawn, low, high)  # rounding to float32 can reach beyond
