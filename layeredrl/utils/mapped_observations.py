"""What a level sees: one vector, or a dict of a vector and images."""

from typing import TypeVar

import numpy as np

from layeredrl.types import Observation
from layeredrl.utils.spaces import VECTOR_KEY

_Part = TypeVar("_Part")


def vector_part(obs: _Part | dict[str, _Part]) -> _Part:
    """Take what belongs to the vector of mapped observations.

    Args:
        obs: Arrays, tensors or shapes of observations: one, or a dict of the vector's and
            the images'.

    Returns:
        The vector's.
    """
    return obs[VECTOR_KEY] if isinstance(obs, dict) else obs


def observation_at(obs: Observation, rows: np.ndarray) -> Observation:
    """Take some rows of mapped observations.

    Args:
        obs: Observations (B, O), or a dict of such.
        rows: Which ones: numbers (R,), or a mask (B,).

    Returns:
        Those rows.
    """
    if isinstance(obs, dict):
        return {key: value[rows] for key, value in obs.items()}
    return obs[rows]
