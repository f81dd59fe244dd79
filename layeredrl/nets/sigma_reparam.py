"""Linear layers whose weight has a trained spectral norm."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SigmaReparam(nn.Module):
    """A linear layer with the weight ``gamma / sigma * W``, sigma the spectral norm of W.

    Sigma reparametrisation (https://arxiv.org/abs/2303.06296).  The leading singular vectors
    u, v follow W by one step of power iteration per training forward, and
    ``sigma = u' W v``.
    """

    u: Tensor
    v: Tensor

    def __init__(
        self, d_in: int, d_out: int, bias: bool = True, fast_init: bool = False
    ) -> None:
        """Draw weights.

        Args:
            d_in: Input features.
            d_out: Output features.
            bias: Whether to add a bias.
            fast_init: Draw the weight as ``nn.Linear`` does and u and v at random, which
                saves a singular value decomposition.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_out, d_in))
        self.bias = nn.Parameter(torch.empty(d_out)) if bias else None
        self.gamma = nn.Parameter(torch.ones(1))
        if fast_init:
            nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        else:
            nn.init.trunc_normal_(self.weight, std=0.02)
        if self.bias is not None:
            bound = 1 / math.sqrt(d_in)
            nn.init.uniform_(self.bias, -bound, bound)
        if fast_init:
            u, v = F.normalize(torch.randn(d_out), dim=0), torch.randn(d_in)
            v = F.normalize(v, dim=0)
        else:
            # Both from one decomposition, so that u' W v is positive.
            left, _, right = torch.linalg.svd(self.weight.detach(), full_matrices=False)
            u, v = left[:, 0], right[0]
        self.register_buffer("u", u.clone())
        self.register_buffer("v", v.clone())

    def scale(self) -> Tensor:
        """Give gamma / sigma, (1,); in training after one step of power iteration."""
        # The spectral norm keeps full precision under autocast.
        with torch.autocast(self.weight.device.type, enabled=False):
            if not self.training:
                return self.gamma / torch.dot(self.u, torch.mv(self.weight, self.v))
            with torch.no_grad():
                u = F.normalize(torch.mv(self.weight, self.v), dim=0)
            row = torch.mv(self.weight.t(), u)
            v = F.normalize(row.detach(), dim=0)
            # New tensors, not in-place writes: an eval pass may still await backward.
            self.u, self.v = u, v
            return self.gamma / torch.dot(row, v)

    def effective_weight(self) -> Tensor:
        """Give the weight that inputs are multiplied by, (d_out, d_in)."""
        return self.weight * self.scale()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer.

        Args:
            x: Input features, (..., d_in).

        Returns:
            Output features, (..., d_out).
        """
        if self.training:
            return F.linear(x, self.effective_weight(), self.bias)
        # A few rows, as in acting, are cheaper to scale than the weight.
        return F.linear(x * self.scale().to(x.dtype), self.weight, self.bias)
