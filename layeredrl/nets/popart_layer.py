"""Values on a scale that follows their statistics."""

from typing import Any, Self

import gin
import torch
from torch import Tensor, nn

from layeredrl.errors import ShapeError


@gin.configurable(module="layeredrl.nets.actor_critic", denylist=["enabled"])
class PopArtLayer(nn.Module):
    """PopArt (https://arxiv.org/abs/1809.04474): rescales a critic's outputs.

    Running moments normalise targets; an affine map corrects the critic's outputs whenever
    the moments move, so that its values in the environment's units stay what they were.

    Legend: B batch, L length (time), G number of gammas.
    """

    mu: Tensor
    nu: Tensor
    w: Tensor
    b: Tensor
    _t: Tensor

    def __init__(
        self,
        gammas: int,
        beta: float = 5e-4,
        init_nu: float = 100.0,
        enabled: bool = True,
    ) -> None:
        """Start with mean zero and the identity map.

        Args:
            gammas: Number of gammas, G.
            beta: Step size of the moving average in the long run, in (0, 1].
            init_nu: Initial second moment.
            enabled: If off, the layer does nothing.
        """
        super().__init__()
        self.beta, self.enabled = beta, enabled
        self.register_buffer("mu", torch.zeros(gammas, 1))
        self.register_buffer("nu", torch.ones(gammas, 1) * init_nu)
        self.register_buffer("w", torch.ones(gammas, 1))
        self.register_buffer("b", torch.zeros(gammas, 1))
        self.register_buffer("_t", torch.ones(gammas, 1))

    @property
    def sigma(self) -> Tensor:
        """Standard deviation of the values per gamma, (G, 1)."""
        return _sigma(self.mu, self.nu)

    def to(  # type: ignore[override]
        self, device: Any, *args: Any, **kwargs: Any
    ) -> Self:
        """Move the statistics.

        Args:
            device: A device, or anything else that ``nn.Module.to`` takes.
            *args: As in ``nn.Module.to``.
            **kwargs: As in ``nn.Module.to``.

        Returns:
            The layer itself.
        """
        return super().to(device, *args, **kwargs)

    def normalize_values(self, val: Tensor) -> Tensor:
        """Bring values from the environment's units to the critic's.

        Args:
            val: (..., G, 1).

        Returns:
            (..., G, 1), in the precision of ``val``.
        """
        if not self.enabled:
            return val
        return ((val - self.mu) / self.sigma).to(val.dtype)

    def forward(self, x: Tensor, normalized: bool = True) -> Tensor:
        """Correct a critic's outputs for the movement of the statistics.

        Args:
            x: Outputs of the critic, (..., G, 1).
            normalized: Stay in the critic's units; otherwise bring the corrected outputs to
                those of the environment.

        Returns:
            (..., G, 1), in the precision of ``x``.
        """
        if not self.enabled:
            return x
        y = self.w * x + self.b
        if not normalized:
            y = self.sigma * y + self.mu
        return y.to(x.dtype)

    @torch.no_grad()
    def update_stats(self, val: Tensor, mask: Tensor) -> None:
        """Take values into the statistics; a gamma without any keeps its own.

        Args:
            val: Values in the environment's units, (B, L, 1, G, 1).
            mask: Zero where a value does not count, (B, L, 1, G, 1).

        Raises:
            ShapeError: The shapes differ or are not (B, L, 1, G, 1).
        """
        if not self.enabled:
            return
        if val.ndim != 5 or val.shape != mask.shape or val.shape[3:] != self.mu.shape:
            raise ShapeError(
                f"expected values and mask (B, L, 1, {len(self.mu)}, 1), got "
                f"{tuple(val.shape)} and {tuple(mask.shape)}"
            )
        val, mask = val.to(self.mu.dtype), mask.to(self.mu.dtype)
        n = mask.sum((0, 1, 2))
        some = n > 0
        t = self._t + 1
        beta = self.beta / (1 - (1 - self.beta) ** t)
        mean = (val * mask).sum((0, 1, 2)) / n
        mean_square = (val * mask).square().sum((0, 1, 2)) / n
        mu = torch.where(some, (1 - beta) * self.mu + beta * mean, self.mu)
        nu = torch.where(some, (1 - beta) * self.nu + beta * mean_square, self.nu)
        old, new = self.sigma, _sigma(mu, nu)
        w = self.w * old / new
        b = (old * self.b + self.mu - mu) / new
        # New tensors, not in-place writes: an earlier forward may still await backward.
        self.w, self.b = torch.where(some, w, self.w), torch.where(some, b, self.b)
        self._t = torch.where(some, t, self._t)
        self.mu, self.nu = mu, nu


def _sigma(mu: Tensor, nu: Tensor) -> Tensor:
    """Give the deviation that belongs to the two moments."""
    return (nu - mu.square()).clamp(1e-4, 1e8).sqrt().clamp(1e-4, 1e6)
