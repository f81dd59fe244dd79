"""What a planner level decides."""

from typing import NamedTuple

import numpy as np
from torch import Tensor


class Decision(NamedTuple):
    """What a planner level saw and decided at once, for the listed instances.

    Attributes:
        instances: Which environment instances the rows belong to, (B,) int64.
        state: Latent states that it decided from, (B, Z).
        context: Contexts, (B, C).
        action: Features of what it decided, (B, A) float32.
        is_random: Whether it decided at random, (B,) bool.
    """

    instances: np.ndarray
    state: Tensor
    context: Tensor
    action: np.ndarray
    is_random: np.ndarray
