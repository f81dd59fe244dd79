"""Activations, running input statistics and the small maths the AMAGO modules share."""

import math
from collections.abc import Callable
from typing import overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError, ShapeError

MAGIC_PAD_VAL = 4.0
"""A time step whose features all equal this number is padding (see :class:`InputNorm`)."""

Activation = Callable[[Tensor], Tensor]

_PLAIN_ACTIVATIONS: dict[str, Activation] = {
    "leaky_relu": F.leaky_relu,
    "relu": F.relu,
    "gelu": F.gelu,
}

# A fit of leaky ReLU, from which the rational function starts.
_LEAKY_RELU_NUMERATOR = (
    0.029792778657264946,
    0.6183735264987601,
    2.323309062531321,
    3.051936237265109,
    1.4854203263828845,
    0.2510244961111299,
)
_LEAKY_RELU_DENOMINATOR = (
    -1.1419548357285474,
    4.393159974992486,
    0.8714712309957245,
    0.34719662339598834,
)


class AdaptiveActivation(nn.Module):
    """A trainable rational function, elementwise, that starts out as a leaky ReLU.

    ``f(x) = (c_0 + c_1 x + ... + c_5 x^5) / (1 + |d_1 x| + ... + |d_4 x^4|)`` with the
    trainable ``numerator`` c, (6,), and ``denominator`` d, (4,).
    """

    def __init__(self) -> None:
        """Start at the leaky ReLU."""
        super().__init__()
        self.numerator = nn.Parameter(torch.tensor(_LEAKY_RELU_NUMERATOR))
        self.denominator = nn.Parameter(torch.tensor(_LEAKY_RELU_DENOMINATOR))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to every element.

        Args:
            x: Any shape.

        Returns:
            The same shape.
        """
        c, d, size = self.numerator, self.denominator.abs(), x.abs()
        numerator = c[5]
        for i in range(4, -1, -1):
            numerator = numerator * x + c[i]
        denominator = d[3] * size
        for j in range(2, -1, -1):
            denominator = (denominator + d[j]) * size
        return numerator / (1.0 + denominator)


def activation_switch(activation: str) -> Activation:
    """Look up an activation by name.

    Args:
        activation: ``"leaky_relu"`` (slope 0.01), ``"relu"``, ``"gelu"`` (the exact one)
            or ``"adaptive"`` (trainable, a new module on every call).

    Returns:
        An elementwise function of a tensor.

    Raises:
        ConfigurationError: No activation has this name.
    """
    if activation == "adaptive":
        return AdaptiveActivation()
    if activation not in _PLAIN_ACTIVATIONS:
        known = ", ".join([*_PLAIN_ACTIVATIONS, "adaptive"])
        raise ConfigurationError(
            f"unknown activation {activation!r}; expected one of {known}"
        )
    return _PLAIN_ACTIVATIONS[activation]


@overload
def symlog(x: Tensor) -> Tensor: ...
@overload
def symlog(x: float) -> float: ...


def symlog(x: Tensor | float) -> Tensor | float:
    """Compress large numbers: ``sign(x) ln(|x| + 1)``, elementwise.

    Args:
        x: A tensor, or a number (computed in float32).

    Returns:
        A tensor of the same shape, or a number.
    """
    if not isinstance(x, Tensor):
        return symlog(torch.tensor(x, dtype=torch.float32)).item()
    return torch.sign(x) * torch.log(x.abs() + 1)


@overload
def symexp(x: Tensor) -> Tensor: ...
@overload
def symexp(x: float) -> float: ...


def symexp(x: Tensor | float) -> Tensor | float:
    """Invert :func:`symlog`: ``sign(x) (exp(|x|) - 1)``, elementwise.

    Args:
        x: A tensor, or a number (computed in float32).

    Returns:
        A tensor of the same shape, or a number.
    """
    if not isinstance(x, Tensor):
        return symexp(torch.tensor(x, dtype=torch.float32)).item()
    return torch.sign(x) * (torch.exp(x.abs()) - 1)


@torch.no_grad()
def log_activations(log_dict: dict | None, name: str, activations: Tensor) -> None:
    """Write the spread of some activations into a log.

    Args:
        log_dict: Receives ``activation-<name>-{max,min,std,mean}`` as 0-dim tensors;
            ``None`` writes nothing.
        name: What the activations are called.
        activations: Any shape, at least one element.
    """
    if log_dict is None:
        return
    # The unbiased deviation of a single number is not defined: no warning, just NaN.
    several = activations.numel() > 1
    std = activations.std() if several else activations.new_tensor(math.nan)
    log_dict[f"activation-{name}-max"] = activations.max()
    log_dict[f"activation-{name}-min"] = activations.min()
    log_dict[f"activation-{name}-std"] = std
    log_dict[f"activation-{name}-mean"] = activations.mean()


def padded(x: Tensor, invalid: Tensor) -> Tensor:
    """Mark invalid steps as padding, so that they stay out of running statistics.

    Args:
        x: Sequences, (B, L, ...).
        invalid: Which steps these are, (B, L) bool.

    Returns:
        The same shape, :data:`MAGIC_PAD_VAL` where invalid.
    """
    return x.masked_fill(
        invalid.view(*invalid.shape, *[1] * (x.ndim - 2)), MAGIC_PAD_VAL
    )


class InputNorm(nn.Module):
    """Normalises features by running estimates of their first two moments.

    Time steps whose features all equal :data:`MAGIC_PAD_VAL` are padding and count for
    nothing; a batch of nothing but padding leaves the statistics as they are.
    """

    mu: Tensor
    nu: Tensor
    _t: Tensor

    def __init__(
        self, dim: int, beta: float = 1e-4, init_nu: float = 1.0, skip: bool = False
    ) -> None:
        """Start with mean zero and second moment ``init_nu``.

        Args:
            dim: Number of features.
            beta: Step size of the moving average in the long run, in (0, 1].
            init_nu: Initial second moment.
            skip: Leave inputs as they are; the statistics are kept all the same.
        """
        super().__init__()
        self.dim, self.beta, self.skip = dim, beta, skip
        self.register_buffer("mu", torch.zeros(dim))
        self.register_buffer("nu", torch.ones(dim) * init_nu)
        self.register_buffer("_t", torch.ones(1))

    @property
    def sigma(self) -> Tensor:
        """Standard deviation per feature, (dim,), within [1e-3, 1e6]."""
        return _sigma(self.mu, self.nu)

    def normalise(self, x: Tensor) -> Tensor:
        """Shift and scale to about zero mean and unit variance.

        A feature that hardly varies (sigma at most 0.01) is only shifted.

        Args:
            x: Features, (..., dim).

        Returns:
            Normalised features, (..., dim), within [-1e4, 1e4] where scaled.
        """
        if self.skip:
            return x
        sigma = self.sigma
        z = ((x - self.mu) / sigma).clamp(-1e4, 1e4)
        return torch.where(
            (sigma > 0.01) & ~z.isnan(), z, x - torch.nan_to_num(self.mu)
        )

    def denormalise(self, x: Tensor) -> Tensor:
        """Invert :meth:`normalise`, up to its clamps.

        Args:
            x: Normalised features, (..., dim).

        Returns:
            Features in their own units, (..., dim).
        """
        if self.skip:
            return x
        sigma = self.sigma
        return torch.where(
            sigma > 0.01, x * sigma + self.mu, x + torch.nan_to_num(self.mu)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Normalise.

        Args:
            x: Features, (..., dim).

        Returns:
            Normalised features, (..., dim).
        """
        return self.normalise(x)

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Take a batch into the running statistics.

        Args:
            x: Features, (B, L, dim); padding is recognised by its value.

        Raises:
            ShapeError: The shape is not (B, L, dim).
        """
        if x.ndim != 3 or x.shape[-1] != self.dim:
            raise ShapeError(f"expected (B, L, {self.dim}), got {tuple(x.shape)}")
        real = (x != MAGIC_PAD_VAL).any(-1, keepdim=True)
        n = real.sum()
        some = n > 0
        x = x * real
        t = self._t + 1
        beta = self.beta / (1 - (1 - self.beta) ** t)
        n = n.clamp(min=1)
        mu = (1 - beta) * self.mu + beta * x.sum((0, 1)) / n
        nu = (1 - beta) * self.nu + beta * x.square().sum((0, 1)) / n
        # New tensors, not in-place writes: an earlier forward may still await backward.
        self.mu = torch.where(some, mu, self.mu)
        self.nu = torch.where(some, nu, self.nu)
        self._t = torch.where(some, t, self._t)


def _sigma(mu: Tensor, nu: Tensor) -> Tensor:
    """Give the deviation that belongs to the two moments, (dim,)."""
    variance = nu - mu.square() + 1e-5
    return torch.nan_to_num(variance.sqrt()).clamp(1e-3, 1e6)
