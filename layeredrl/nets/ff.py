"""Feed-forward blocks: normalisation by name, a plain MLP, a residual block."""

import torch
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError
from layeredrl.nets.utils import activation_switch

_EPS = 1e-5


class RMSNorm(nn.Module):
    """Divides by the root mean square over the last dimension, then scales by feature."""

    def __init__(self, d: int) -> None:
        """Start with unit scale.

        Args:
            d: Number of features.
        """
        super().__init__()
        self.scale = nn.Parameter(torch.ones(d))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension.

        Args:
            x: Features, (..., d).

        Returns:
            Normalised features, (..., d).
        """
        mean_square = x.square().mean(-1, keepdim=True)
        return self.scale * x * torch.rsqrt(mean_square + _EPS)


class UnitBall(nn.Module):
    """Divides by the Euclidean norm over the last dimension."""

    def __init__(self, detach: bool) -> None:
        """Choose whether the norm is differentiated.

        Args:
            detach: Take the norm as a constant in the gradient.
        """
        super().__init__()
        self.detach = detach

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension.

        Args:
            x: Features, (..., d).

        Returns:
            Features of norm just below one, (..., d).
        """
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        return x / ((norm.detach() if self.detach else norm) + _EPS)


class Normalization(nn.Module):
    """A normalisation over the last dimension, chosen by name and held in ``norm``."""

    def __init__(self, method: str, d: int) -> None:
        """Build the normalisation.

        Args:
            method: ``"layer"``, ``"rmsnorm"``, ``"unitball"``, ``"unitball-detach"`` (the
                norm carries no gradient) or ``"none"``.
            d: Number of features.

        Raises:
            ConfigurationError: No normalisation has this name.
        """
        super().__init__()
        self.norm: nn.Module
        if method == "layer":
            self.norm = nn.LayerNorm(d, eps=_EPS)
        elif method == "rmsnorm":
            self.norm = RMSNorm(d)
        elif method in ("unitball", "unitball-detach"):
            self.norm = UnitBall(detach=method == "unitball-detach")
        elif method == "none":
            self.norm = nn.Identity()
        else:
            raise ConfigurationError(
                f"unknown normalization {method!r}; expected layer, rmsnorm, unitball, "
                "unitball-detach or none"
            )

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension.

        Args:
            x: Features, (..., d).

        Returns:
            Normalised features, (..., d).
        """
        return self.norm(x)


class MLP(nn.Module):
    """Fully connected layers with dropout after every activation."""

    def __init__(
        self,
        d_inp: int,
        d_hidden: int,
        n_layers: int,
        d_output: int,
        activation: str = "leaky_relu",
        dropout_p: float = 0.0,
    ) -> None:
        """Build the layers.

        Args:
            d_inp: Input features.
            d_hidden: Features of every hidden layer.
            n_layers: Number of hidden layers, at least one.
            d_output: Output features.
            activation: Name of the activation; the output has none.
            dropout_p: Probability of dropping a hidden feature, in [0, 1].

        Raises:
            ConfigurationError: There is no hidden layer, or the activation is unknown.
        """
        super().__init__()
        if n_layers < 1:
            raise ConfigurationError(f"n_layers must be at least 1, got {n_layers}")
        self.in_layer = nn.Linear(d_inp, d_hidden)
        self.layers = nn.ModuleList(
            nn.Linear(d_hidden, d_hidden) for _ in range(n_layers - 1)
        )
        self.out_layer = nn.Linear(d_hidden, d_output)
        self.activation = activation_switch(activation)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers.

        Args:
            x: Input features, (..., d_inp).

        Returns:
            Output features, (..., d_output).
        """
        x = self.dropout(self.activation(self.in_layer(x)))
        for layer in self.layers:
            x = self.dropout(self.activation(layer(x)))
        return self.out_layer(x)


class FFBlock(nn.Module):
    """The feed-forward half of a Transformer layer: ``x + f(ff2(f(ff1(x))))``.

    ``f`` is activation, then dropout; it also stands after the second layer.
    """

    def __init__(
        self, d_model: int, d_ff: int, dropout: float = 0.0, activation: str = "gelu"
    ) -> None:
        """Build the two layers.

        Args:
            d_model: Features of the residual stream.
            d_ff: Features between the two layers.
            dropout: Probability of dropping a feature, in [0, 1].
            activation: Name of the activation.
        """
        super().__init__()
        self.ff1 = nn.Linear(d_model, d_ff)
        self.ff2 = nn.Linear(d_ff, d_model)
        self.dropout = nn.Dropout(dropout)
        self.activation = activation_switch(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block.

        Args:
            x: Residual stream, (..., d_model).

        Returns:
            Residual stream, (..., d_model).
        """
        hidden = self.dropout(self.activation(self.ff1(x)))
        return x + self.dropout(self.activation(self.ff2(hidden)))
