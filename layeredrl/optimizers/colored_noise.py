"""Noise that is correlated along time."""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor


def colored_noise(
    shape: Sequence[int],
    beta: float,
    generator: torch.Generator | None = None,
    *,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw Gaussian noise whose power falls with frequency as ``f ** -beta``.

    Each step has mean zero and variance one, whatever the exponent. The series is
    periodic in its length; frequency zero gets the power of the lowest other one, so that
    noise of three steps or fewer is white.

    Args:
        shape: Shape (..., T, A); features and leading axes are independent.
        beta: Exponent: 0 is white, 1 pink, 2 red noise.
        generator: Source of randomness, on ``device``.
        device: Where to draw.

    Returns:
        Noise (..., T, A).
    """
    *batch, horizon, n_features = shape
    if beta == 0 or horizon == 1:
        return torch.randn(tuple(shape), generator=generator, device=device)
    n_series = math.prod(batch) * n_features
    white = torch.randn(horizon, n_series, generator=generator, device=device)
    # The form with ``out`` keeps full precision under a caller's autocast.
    colored = torch.empty_like(white)
    torch.mm(_coloring(horizon, beta, white.device), white, out=colored)
    # The white noise has served: its memory takes the result in the asked for order.
    noise = white.view(tuple(shape))
    return noise.copy_(colored.view(horizon, *batch, n_features).movedim(0, -2))


# Scaling the spectrum is linear in the white noise, and for the horizons of planning
# one product with its matrix is several times faster than two Fourier transforms.
@lru_cache(maxsize=64)
def _coloring(horizon: int, beta: float, device: torch.device) -> Tensor:
    """Matrix (T, T) that scales the Fourier coefficients of white noise."""
    frequency = torch.fft.fftfreq(horizon, dtype=torch.float64).abs()
    frequency[0] = 1.0 / horizon
    power = frequency**-beta
    amplitude = (power / power.mean()).sqrt()[: horizon // 2 + 1, None]
    spectrum = torch.fft.rfft(torch.eye(horizon, dtype=torch.float64), dim=0)
    matrix = torch.fft.irfft(amplitude * spectrum, n=horizon, dim=0)
    return matrix.to(device=device, dtype=torch.float32)
