"""Distributions over actions in [-1, 1], and categorical ones with a twist.

Legend of these pages: G number of gammas, A action features.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import (
    AffineTransform,
    Beta,
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    Normal,
    OneHotCategorical,
    TanhTransform,
    TransformedDistribution,
)


class IndexCategorical(Categorical):
    """A categorical distribution whose samples end in an axis of one index.

    ``log_prob`` takes indices without that axis.
    """

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Draw indices.

        Args:
            sample_shape: How many, before the batch shape.

        Returns:
            sample_shape + batch_shape + (1,) int64.
        """
        return super().sample(sample_shape).unsqueeze(-1)


class DiscreteLikeContinuous(OneHotCategorical):
    """One-hot actions that can be differentiated, by the Gumbel-softmax trick."""

    has_rsample = True

    def __init__(
        self, categorical: Categorical, gumbel_softmax_temperature: float = 0.5
    ) -> None:
        """Take over the logits.

        Args:
            categorical: The distribution over indices.
            gumbel_softmax_temperature: Temperature of the relaxation, positive.
        """
        super().__init__(logits=categorical.logits)
        self.gumbel_softmax_temperature = gumbel_softmax_temperature

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Draw one-hot vectors whose gradient is that of the relaxed ones.

        Args:
            sample_shape: How many, before the batch shape.

        Returns:
            sample_shape + batch_shape + (number of choices,).
        """
        logits = self.logits.expand(self._extended_shape(sample_shape))
        return F.gumbel_softmax(logits, tau=self.gumbel_softmax_temperature, hard=True)


class _ClippedTanh(TanhTransform):
    """A tanh whose inverse clips; a value it has just returned inverts exactly."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__(cache_size=1)
        self.low, self.high = low, high

    def _inverse(self, y: Tensor) -> Tensor:
        """Invert the clipped value."""
        y = y.clamp(self.low, self.high)
        return 0.5 * (torch.log1p(y) - torch.log1p(-y))


class TanhNormal(TransformedDistribution):
    """``tanh(z)`` of a normal z, independent per dimension; the event shape is ()."""

    def __init__(self, mu: Tensor, std: Tensor, clip: tuple[float, float]) -> None:
        """Build the distribution.

        Args:
            mu: Means of z, (...).
            std: Standard deviations of z, (...).
            clip: Range to which actions are clipped before they are scored, unless the
                action is the very tensor that was drawn last.
        """
        super().__init__(Normal(mu, std), [_ClippedTanh(*clip)], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The tanh of the mean of z, (...)."""
        (transform,) = self.transforms
        return transform(self.base_dist.mean)


class ScaledBeta(TransformedDistribution):
    """``2 b - 1`` of a beta-distributed b, per dimension; the event shape is ()."""

    def __init__(self, alpha: Tensor, beta: Tensor, clip: tuple[float, float]) -> None:
        """Build the distribution.

        Args:
            alpha: First concentration, (...).
            beta: Second concentration, (...).
            clip: Range to which actions are clipped before they are scored.
        """
        to_actions = AffineTransform(loc=-1.0, scale=2.0)
        super().__init__(Beta(alpha, beta), [to_actions], validate_args=False)
        self.clip = clip

    @property
    def mean(self) -> Tensor:
        """Mean action, (...)."""
        return 2 * self.base_dist.mean - 1

    def log_prob(self, value: Tensor) -> Tensor:
        """Score actions.

        Args:
            value: Actions, (...).

        Returns:
            Log density per dimension, (...).
        """
        return super().log_prob(value.clamp(*self.clip))


class TanhGMM(Distribution):
    """``tanh(z)`` of a mixture z of diagonal normals; an action is one event, (A,)."""

    arg_constraints: dict = {}

    def __init__(self, means: Tensor, stds: Tensor, logits: Tensor) -> None:
        """Build the distribution.

        Args:
            means: Means of the modes, (..., modes, A).
            stds: Standard deviations of the modes, (..., modes, A).
            logits: Unnormalised log weights of the modes, (..., modes).
        """
        self.mixture = MixtureSameFamily(
            Categorical(logits=logits), Independent(Normal(means, stds), 1)
        )
        super().__init__(
            self.mixture.batch_shape, self.mixture.event_shape, validate_args=False
        )

    @property
    def mean(self) -> Tensor:
        """The tanh of the mean of z, (..., A)."""
        return torch.tanh(self.mixture.mean)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Draw actions; there is no ``rsample``.

        Args:
            sample_shape: How many, before the batch shape.

        Returns:
            sample_shape + batch_shape + (A,).
        """
        return torch.tanh(self.mixture.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Score actions.

        Args:
            value: Actions, (..., A).

        Returns:
            Log density of the whole action, (..., 1).
        """
        above, below = (1 + value).clamp(min=1e-6), (1 - value).clamp(min=1e-6)
        log_prob = self.mixture.log_prob(0.5 * torch.log(above / below))
        volume = torch.log(1 - value.square() + 1e-6).sum(-1)
        return (log_prob - volume).unsqueeze(-1)


def tanh_bounded_positive(raw: Tensor, low: float, high: float) -> Tensor:
    """Map numbers to (low, high), evenly on a log scale around zero.

    Args:
        raw: Any numbers, (...).
        low: Lower bound, positive.
        high: Upper bound.

    Returns:
        (...).
    """
    log_low, log_high = math.log(low), math.log(high)
    return torch.exp(log_low + 0.5 * (log_high - log_low) * (torch.tanh(raw) + 1))


def softplus_bounded_positive(raw: Tensor, low: float, high: float | None) -> Tensor:
    """Map numbers to (low, high] by a softplus.

    Args:
        raw: Any numbers, (...).
        low: Lower bound.
        high: Upper bound; ``None`` is without.

    Returns:
        (...).
    """
    value = F.softplus(raw) + low
    return value if high is None else value.clamp(max=high)
