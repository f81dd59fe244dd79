"""Densities and moments of Gaussian mixtures with diagonal covariance."""

import math

import torch
from torch import Tensor

from layeredrl.types import MixturePrediction

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


def gaussian_log_prob(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log density of independent Gaussians, summed over the feature axis.

    Args:
        x: Points (..., Z).
        mean: Means (..., Z), broadcast against ``x``.
        log_std: Logarithms of the standard deviations (..., Z).

    Returns:
        Log densities in nats, (...).
    """
    scaled = (x - mean) * (-log_std).exp()
    return -(0.5 * scaled.square() + log_std + _LOG_SQRT_2PI).sum(-1)


def mixture_log_prob(
    x: Tensor, mean: Tensor, log_std: Tensor, log_weights: Tensor
) -> Tensor:
    """Log density of a mixture of diagonal Gaussians, without overflow.

    Args:
        x: Points (..., Z).
        mean: Means of the modes (..., N, Z).
        log_std: Logarithms of the standard deviations, broadcast to (..., N, Z).
        log_weights: Normalised logarithms of the mixture weights (..., N).

    Returns:
        Log densities in nats, (...).
    """
    modes = gaussian_log_prob(x.unsqueeze(-2), mean, log_std)
    return torch.logsumexp(log_weights + modes, dim=-1)


def log_weights(weights: Tensor) -> Tensor:
    """Logarithm of mixture weights that stays finite, and so do its gradients.

    Args:
        weights: Mixture weights, some of which may have underflowed to 0, (..., N).

    Returns:
        Logarithms (..., N), at least about -87 in float32.
    """
    return weights.clamp(min=torch.finfo(weights.dtype).tiny).log()


def mixture_mean(weights: Tensor, mean: Tensor) -> Tensor:
    """Mean of a mixture.

    Args:
        weights: Mixture weights (..., N).
        mean: Means of the modes (..., N, Z).

    Returns:
        Weighted means (..., Z).
    """
    return (weights.unsqueeze(-1) * mean).sum(-2)


def mixture_moments(
    weights: Tensor, mean: Tensor, std: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature of a mixture.

    Args:
        weights: Mixture weights (..., N).
        mean: Means of the modes (..., N, Z).
        std: Standard deviations of the modes (..., N, Z).

    Returns:
        Means and standard deviations, (..., Z) each: the variance within modes and that
        between them, added (law of total variance).
    """
    total = mixture_mean(weights, mean)
    between = (mean - total.unsqueeze(-2)).square()
    return total, mixture_mean(weights, std.square() + between).sqrt()


def prediction_moments(prediction: MixturePrediction) -> tuple[Tensor, Tensor]:
    """Sum a model's prediction up, over members and modes together.

    Args:
        prediction: What the model says of B transitions.

    Returns:
        Mean and standard deviation of each feature of the next latent state, (B, Z) each.
    """
    n_members = prediction.weights.shape[1]
    return mixture_moments(
        prediction.weights.flatten(1) / n_members,
        prediction.mean.flatten(1, 2),
        prediction.std.flatten(1, 2),
    )


def draw_modes(weights: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw one mode per row by inverting the cumulative distribution.

    Args:
        weights: Mixture weights (..., N).
        generator: Source of randomness on the device of ``weights``.

    Returns:
        Mode indices (...), int64.
    """
    uniform = torch.rand(
        (*weights.shape[:-1], 1),
        generator=generator,
        device=weights.device,
        dtype=weights.dtype,
    )
    # The last edge is left out, so rounding cannot select a mode that does not exist.
    edges = weights.cumsum(-1)[..., :-1]
    return (uniform >= edges).sum(-1)
