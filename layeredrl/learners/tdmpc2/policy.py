"""The policy prior of TD-MPC2: a squashed normal distribution over actions."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from layeredrl.learners.tdmpc2.layers import normed_mlp

_MIN_LOG_STD, _MAX_LOG_STD = -5.0, 2.0


class PolicyPrior(nn.Module):
    """Tanh of a normal distribution whose mean and deviation a network gives."""

    def __init__(self, in_dim: int, hidden_sizes: tuple[int, ...], action_dim: int):
        """Build the network.

        Args:
            in_dim: Features of latent state and condition.
            hidden_sizes: Width of each hidden layer.
            action_dim: Action features A.
        """
        super().__init__()
        self._net = normed_mlp(in_dim, hidden_sizes, 2 * action_dim)
        self._constant = 0.5 * math.log(2.0 * math.pi)

    def best(self, x: Tensor) -> Tensor:
        """Take the middle of the distribution.

        Args:
            x: Latent states and conditions (..., in_dim).

        Returns:
            Actions in (-1, 1), (..., A).
        """
        # Squashing both halves is faster than one, which is no contiguous piece.
        return self._net(x).tanh().chunk(2, dim=-1)[0]

    def perturbed(self, x: Tensor, noise: Tensor, min_std: float = 0.0) -> Tensor:
        """Take the action that belongs to some normal noise.

        Args:
            x: Latent states and conditions (..., in_dim).
            noise: Standard normal numbers (..., A).
            min_std: Floor of the deviation before squashing.

        Returns:
            Actions in [-1, 1], (..., A).
        """
        mean, log_std = self._parameters_at(x)
        return torch.addcmul(mean, log_std.exp().clamp(min=min_std), noise).tanh()

    def sample(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw actions through which gradients flow, and how unlikely they were.

        Args:
            x: Latent states and conditions (..., in_dim).
            generator: Source of randomness.

        Returns:
            Actions (..., A), and minus their log-density [nats], (...).
        """
        mean, log_std = self._parameters_at(x)
        noise = torch.empty_like(mean).normal_(generator=generator)
        raw = torch.addcmul(mean, log_std.exp(), noise)
        # log(1 - tanh(x)^2), without cancellation where tanh saturates.
        log_slope = 2.0 * (math.log(2.0) - raw - functional.softplus(-2.0 * raw))
        surprise = 0.5 * noise.square() + log_std + self._constant + log_slope
        return raw.tanh(), surprise.sum(-1)

    def _parameters_at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = self._net(x).chunk(2, dim=-1)
        half_range = 0.5 * (_MAX_LOG_STD - _MIN_LOG_STD)
        return mean, _MIN_LOG_STD + half_range * (spread.tanh() + 1.0)
