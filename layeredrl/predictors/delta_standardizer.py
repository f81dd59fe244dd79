"""Whitening of changes of the latent state."""

import torch
from torch import Tensor, nn

from layeredrl.utils.normalization import RunningNormalizer

# Changes below this, in the latent state's units, count as none.
_SMALLEST_CHANGE = 1e-20


class DeltaStandardizer(nn.Module):
    """A symmetric matrix W, trained so that cov(W delta) is the identity.

    In the standardised space a distance of one means the same in every direction, which
    is what makes one length scale serve all latent states. W is written as
    ``W_ij = S_ij / max(std_i, std_j)`` where the standard deviations follow the data and
    S is trained, starting from the identity: so latent states of any unit start out well,
    and a step of the optimizer means the same for all entries. A feature that never
    changed counts as having a standard deviation of one.
    """

    def __init__(self, dim: int):
        """Start as the identity.

        Args:
            dim: Features of the latent state Z.
        """
        super().__init__()
        self.shape = nn.Parameter(torch.eye(dim))
        self.changes = RunningNormalizer(dim, smallest_std=_SMALLEST_CHANGE)

    @property
    def matrix(self) -> Tensor:
        """The symmetric matrix W, (Z, Z)."""
        return 0.5 * (self.shape + self.shape.mT) / self._unit()

    def forward(self, delta: Tensor) -> Tensor:
        """Standardise changes of the latent state.

        Args:
            delta: Changes (..., Z).

        Returns:
            Standardised changes (..., Z).
        """
        return delta @ self.matrix

    def observe(self, delta: Tensor) -> None:
        """Follow the scale of the changes.

        Args:
            delta: Changes (B, Z).
        """
        self.changes.update(delta)

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

    @torch.no_grad()
    def set_gradient(self, delta: Tensor) -> None:
        r"""Set the gradient of :meth:`loss`, without building a graph for it.

        With C the covariance and E = W C W - I, the gradient with respect to W is
        :math:`2 (E W C + C W E) / Z^2`.

        Args:
            delta: Changes (B, Z).
        """
        centered = delta - delta.mean(0)
        covariance = centered.mT @ centered / len(delta)
        matrix = self.matrix
        product = matrix @ covariance
        error = product @ matrix
        error.diagonal().sub_(1.0)
        gradient = error @ product
        # E W C and C W E are each other's transposes.
        gradient = (gradient + gradient.mT) * (2.0 / error.numel())
        self.shape.grad = gradient / self._unit()

    def _unit(self) -> Tensor:
        """What the entries of W are measured in, (Z, Z)."""
        std = self.changes.std
        std = torch.where(std > _SMALLEST_CHANGE, std, 1.0)
        return torch.maximum(std, std.unsqueeze(1))
