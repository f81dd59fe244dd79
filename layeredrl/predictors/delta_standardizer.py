"""Whitening of changes of the latent state."""

import torch
from torch import Tensor, nn


class DeltaStandardizer(nn.Module):
    """A symmetric matrix W, trained so that cov(W delta) is the identity.

    In the standardised space a distance of one means the same in every direction, which
    is what makes one length scale serve all latent states. W is written as
    ``D^-1/2 S D^-1/2`` where D holds the standard deviations of the first data and only
    S is trained, so that latent states of any unit start out well.
    """

    scale: Tensor
    has_scale: Tensor

    def __init__(self, dim: int):
        """Start as the identity.

        Args:
            dim: Features of the latent state Z.
        """
        super().__init__()
        self.shape = nn.Parameter(torch.eye(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.register_buffer("has_scale", torch.zeros((), dtype=torch.bool))

    @property
    def matrix(self) -> Tensor:
        """The symmetric matrix W, (Z, Z)."""
        root = self.scale.rsqrt()
        return root * (0.5 * (self.shape + self.shape.mT)) * root.unsqueeze(1)

    def forward(self, delta: Tensor) -> Tensor:
        """Standardise changes of the latent state.

        Args:
            delta: Changes (..., Z).

        Returns:
            Standardised changes (..., Z).
        """
        return delta @ self.matrix

    @torch.no_grad()
    def observe(self, delta: Tensor) -> None:
        """Take the unit from the first data; later calls change nothing.

        Args:
            delta: Changes (B, Z).
        """
        std = delta.std(0, unbiased=False).clamp(min=1e-6)
        self.scale.copy_(torch.where(self.has_scale, self.scale, std))
        self.has_scale.fill_(True)

    def loss(self, delta: Tensor) -> Tensor:
        """Distance of the standardised covariance from the identity.

        Args:
            delta: Changes (B, Z).

        Returns:
            Mean squared difference of the entries, a scalar.
        """
        standardized = self(delta - delta.mean(0))
        covariance = standardized.mT @ standardized / len(delta)
        identity = torch.eye(len(covariance), device=delta.device)
        return (covariance - identity).square().mean()
