"""Moving a plan on in time."""

import torch
from torch import Tensor


def shift_sequences(sequences: Tensor, n_steps: int = 1) -> Tensor:
    """Drop the first steps and repeat the last one, so that the length stays.

    Args:
        sequences: Sequences (..., T, A).
        n_steps: Steps to drop, 0 to T.

    Returns:
        Shifted copies (..., T, A).
    """
    repeated = sequences[..., -1:, :].expand(*sequences.shape[:-2], n_steps, -1)
    return torch.cat([sequences[..., n_steps:, :], repeated], dim=-2)
