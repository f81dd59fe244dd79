"""Statistics that follow the data."""

import torch
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError


class RunningNormalizer(nn.Module):
    """Mean and standard deviation per feature, updated batch by batch.

    Every sample counts the same until ``horizon`` samples were seen; from then on older
    ones are forgotten exponentially. Before the first update it is the identity.
    All statistics are buffers, so they are saved and moved with the module.
    """

    count: Tensor
    mean: Tensor
    variance: Tensor
    std: Tensor

    def __init__(
        self,
        dim: int,
        *,
        center: bool = True,
        horizon: int = 100_000,
        smallest_std: float = 1e-4,
    ) -> None:
        """Start as the identity.

        Args:
            dim: Number of features; 0 is legal.
            center: Whether the mean is subtracted; if not, ``std`` is the root mean
                square and ``mean`` stays 0.
            horizon: Number of samples that count, at least 1.
            smallest_std: Floor of the standard deviation, in the data's units, so that
                constant features do not explode.

        Raises:
            ConfigurationError: If the horizon or the floor is not positive.
        """
        super().__init__()
        if horizon < 1 or smallest_std <= 0:
            raise ConfigurationError(
                "horizon and smallest_std must be positive, got "
                f"{horizon} and {smallest_std}"
            )
        self.center = center
        self.horizon = horizon
        self.smallest_std = smallest_std
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("variance", torch.ones(dim, dtype=torch.float64))
        self.register_buffer("std", torch.ones(dim))

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Take a batch into account.

        Args:
            x: Samples (..., dim); an empty batch changes nothing.
        """
        # Without -1, which no features would make ambiguous.
        x = x.reshape(x.shape[:-1].numel(), len(self.mean)).double()
        if len(x) == 0:
            return
        share = len(x) / (self.count.clamp(max=self.horizon) + len(x))
        batch_mean = x.mean(0) if self.center else torch.zeros_like(self.variance)
        batch_variance = (x - batch_mean).square().mean(0)
        difference = batch_mean - self.mean
        # Merging two sets of samples adds the spread between their means
        # (Chan, Golub & LeVeque 1983).
        self.variance.lerp_(batch_variance, share)
        self.variance.add_(share * (1 - share) * difference.square())
        self.mean.add_(share * difference)
        self.std.copy_(self.variance.sqrt().clamp(min=self.smallest_std))
        self.count += len(x)

    def normalize(self, x: Tensor) -> Tensor:
        """Map data to zero mean (if centred) and unit scale.

        Args:
            x: Data (..., dim).

        Returns:
            Normalised data (..., dim).
        """
        return (x - self.mean) / self.std if self.center else x / self.std

    def denormalize(self, x: Tensor) -> Tensor:
        """Invert :meth:`normalize`.

        Args:
            x: Normalised data (..., dim).

        Returns:
            Data in its own units (..., dim).
        """
        return torch.addcmul(self.mean, x, self.std)
