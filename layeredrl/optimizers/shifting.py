"""Moving a plan on by one time step."""

import torch
from torch import Tensor


def shift_sequences(sequences: Tensor) -> Tensor:
    """Drop the first step and repeat the last one, so that the length stays.

    Args:
        sequences: Sequences (..., T, A).

    Returns:
        Shifted copies (..., T, A).
    """
    return torch.cat([sequences[..., 1:, :], sequences[..., -1:, :]], dim=-2)
