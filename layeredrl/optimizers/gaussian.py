"""The sampling distribution of a search, and how elites move it."""

from typing import NamedTuple

import torch
from torch import Tensor

from layeredrl.optimizers.elites import Elites, refit_step


class Gaussian(NamedTuple):
    """Independent normal distributions over the entries of sequences.

    Attributes:
        mean: Means (B, T, A).
        std: Standard deviations (B, T, A).
    """

    mean: Tensor
    std: Tensor


def refit(
    gaussian: Gaussian,
    elites: Elites,
    weights: Tensor,
    *,
    momentum: float = 0.0,
    min_std: Tensor | None = None,
) -> Gaussian:
    """Move a distribution to where the elites are.

    The deviation is that of the elites as a population, so a single one has none.
    Instances without any finite value keep the distribution they have.

    Args:
        gaussian: The distribution the elites were found with.
        elites: The elites, best first.
        weights: How much each counts, (B, E), summing to one.
        momentum: Share of the old mean and deviation that stays, [0, 1).
        min_std: Floor of the elites' deviation, (A,).

    Returns:
        The moved distribution.
    """
    share = weights[:, :, None, None]
    mean = (share * elites.sequences).sum(1)
    deviation = elites.sequences - mean[:, None]
    std = (share * deviation.square_()).sum(1).sqrt_()
    if min_std is not None:
        std = torch.maximum(std, min_std)
    step = refit_step(elites.values, momentum)
    return Gaussian(
        torch.lerp(gaussian.mean, mean, step), torch.lerp(gaussian.std, std, step)
    )
