"""Drawing candidates that lie within the bounds."""

import math
from collections.abc import Sequence
from typing import Literal, final

import torch
from torch import Tensor

from layeredrl.optimizers.bounds import Bounds
from layeredrl.optimizers.colored_noise import colored_noise
from layeredrl.optimizers.gaussian import Gaussian

Sampling = Literal["clip", "truncate"]
"""What keeps samples in the bounds.

``"clip"`` moves those outside onto the bound, ``"truncate"`` draws from the normal
distribution conditioned on lying within.
"""

# Beyond, the inverse error function is infinite in single precision.
_LARGEST_RANK = 1.0 - 2.0**-24
_SMALLEST_STD = 1e-12


@final
class BoundedSampler:
    """Draws candidate sequences from normal distributions, within bounds.

    Mirrored samples come in pairs on opposite sides of the mean. On all objectives tried,
    a search with them found at least what it found with independent ones, and drawing
    random numbers, which is most of what an optimizer costs, takes half the time.
    """

    def __init__(
        self,
        bounds: Bounds,
        sampling: Sampling = "clip",
        *,
        noise_beta: float = 0.0,
        use_mirroring: bool = True,
    ) -> None:
        """Set up the sampler.

        Args:
            bounds: Where samples must lie.
            sampling: What keeps them there.
            noise_beta: Exponent of the noise along time, 0 for white noise.
            use_mirroring: Whether samples come in mirrored pairs.
        """
        self._bounds = bounds
        is_truncating = sampling == "truncate"
        self._fill = self._fill_truncated if is_truncating else self._fill_normal
        self._noise_beta = noise_beta
        self._use_mirroring = use_mirroring

    def draw(
        self,
        gaussian: Gaussian,
        n_samples: int,
        generator: torch.Generator | None,
        extras: Sequence[Tensor] = (),
    ) -> Tensor:
        """Draw samples, and append further candidates to them.

        Args:
            gaussian: The distribution; its mean lies within the bounds.
            n_samples: How many samples to draw per instance, K.
            generator: Source of randomness.
            extras: Further candidates, each (B, E, T, A); clipped to the bounds.

        Returns:
            Samples first, then the extras, (B, K + E + ..., T, A), in memory of its own.
        """
        n_instances, horizon, n_features = gaussian.mean.shape
        n_drawn = (n_samples + 1) // 2 if self._use_mirroring else n_samples
        noise = colored_noise(
            (n_instances, n_drawn, horizon, n_features),
            self._noise_beta,
            generator,
            device=gaussian.mean.device,
        )
        n_total = n_samples + sum(extra.shape[1] for extra in extras)
        candidates = noise.new_empty(n_instances, n_total, horizon, n_features)
        self._fill(candidates[:, :n_samples], noise, gaussian)
        first = n_samples
        for extra in extras:
            candidates[:, first : first + extra.shape[1]] = extra
            first += extra.shape[1]
        return self._bounds.clip_(candidates)

    def _fill_normal(self, samples: Tensor, noise: Tensor, gaussian: Gaussian) -> None:
        """Write normal samples, those that mirror the noise at the end."""
        n_drawn, n_mirrored = noise.shape[1], samples.shape[1] - noise.shape[1]
        mean = gaussian.mean[:, None]
        noise.mul_(gaussian.std[:, None])
        torch.add(mean, noise, out=samples[:, :n_drawn])
        torch.sub(mean, noise[:, :n_mirrored], out=samples[:, n_drawn:])

    def _fill_truncated(
        self, samples: Tensor, noise: Tensor, gaussian: Gaussian
    ) -> None:
        """Write truncated normal samples of the ranks that the noise has."""
        n_drawn, n_mirrored = noise.shape[1], samples.shape[1] - noise.shape[1]
        scale = gaussian.std.clamp(min=_SMALLEST_STD) * math.sqrt(2.0)
        lowest = torch.erf((self._bounds.low - gaussian.mean) / scale)[:, None]
        highest = torch.erf((self._bounds.high - gaussian.mean) / scale)[:, None]
        noise.mul_(math.sqrt(0.5)).erf_()
        samples[:, :n_drawn] = noise
        torch.neg(noise[:, :n_mirrored], out=samples[:, n_drawn:])
        samples.mul_(0.5 * (highest - lowest)).add_(0.5 * (highest + lowest))
        samples.clamp_(-_LARGEST_RANK, _LARGEST_RANK).erfinv_()
        samples.mul_(scale[:, None]).add_(gaussian.mean[:, None])
