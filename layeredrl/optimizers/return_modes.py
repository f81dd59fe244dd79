"""Which sequence of a finished search is acted on."""

from typing import Literal

import torch
from torch import Tensor

from layeredrl.optimizers.bounded_sampler import BoundedSampler
from layeredrl.optimizers.gaussian import Gaussian

ReturnMode = Literal["mean", "best", "sample"]
"""What to act on: the final mean, the best candidate seen, or a final sample."""


def choose_sequence(
    mode: ReturnMode,
    gaussian: Gaussian,
    sampler: BoundedSampler,
    generator: torch.Generator | None,
) -> Tensor | None:
    """Pick what to act on.

    Args:
        mode: What to act on.
        gaussian: Final distribution.
        sampler: Draws from it.
        generator: Source of randomness.

    Returns:
        Sequences (B, T, A), or ``None`` for the best candidate seen.
    """
    if mode == "mean":
        return gaussian.mean
    if mode == "sample":
        return sampler.draw(gaussian, 1, generator)[:, 0]
    return None
