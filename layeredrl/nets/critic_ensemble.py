"""Several MLPs at once, that share their inputs but no weights."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError
from layeredrl.nets.utils import activation_switch


class EnsembleLinear(nn.Module):
    """One linear layer per member; weights are stored input first.

    Legend: C members, n rows.
    """

    def __init__(self, n_members: int, d_in: int, d_out: int) -> None:
        """Draw weights of unit variance gain.

        Args:
            n_members: Number of members, C.
            d_in: Input features.
            d_out: Output features.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_members, d_in, d_out))
        self.bias = nn.Parameter(torch.empty(1, 1, n_members, d_out))
        nn.init.uniform_(self.weight, -math.sqrt(3 / d_in), math.sqrt(3 / d_in))
        nn.init.uniform_(self.bias, -1 / math.sqrt(d_in), 1 / math.sqrt(d_in))

    def forward(self, x: Tensor) -> Tensor:
        """Apply each member to its own input.

        Args:
            x: (C, n, d_in).

        Returns:
            (C, n, d_out).
        """
        return torch.bmm(x, self.weight) + self.bias[0, 0].unsqueeze(1)

    def from_shared_parts(self, parts: Sequence[Tensor]) -> Tensor:
        """Apply all members to the concatenation of some parts, without concatenating.

        A part that is the same for many rows is multiplied once and then added to all.

        Args:
            parts: Each (..., features); the leading axes broadcast.

        Returns:
            (..., C, d_out).
        """
        total, start = self.bias[0, 0], 0
        for part in parts:
            weight = self.weight[:, start : start + part.shape[-1]]
            # One matrix for all members: (features, C * d_out)
            product = part @ weight.transpose(0, 1).flatten(1)
            total = total + product.unflatten(-1, self.bias.shape[2:])
            start += part.shape[-1]
        return total


class Ensemble(nn.Module):
    """Several MLPs at once, with dropout after every activation."""

    def __init__(
        self,
        d_inp: int,
        d_hidden: int,
        n_layers: int,
        d_output: int,
        *,
        n_members: int,
        activation: str = "leaky_relu",
        dropout_p: float = 0.0,
    ) -> None:
        """Build the layers.

        Args:
            d_inp: Input features.
            d_hidden: Features of every hidden layer.
            n_layers: Number of hidden layers, at least one.
            d_output: Output features.
            n_members: Number of MLPs, C.
            activation: Name of the activation; the output has none.
            dropout_p: Probability of dropping a hidden feature, in [0, 1].

        Raises:
            ConfigurationError: There is no hidden layer or no member, or the activation is
                unknown.
        """
        super().__init__()
        if n_layers < 1 or n_members < 1:
            raise ConfigurationError(
                "an ensemble needs at least one layer and one member, got "
                f"{n_layers} layers and {n_members} members"
            )
        self.n_members = n_members
        self.inp_layer = EnsembleLinear(n_members, d_inp, d_hidden)
        self.core_layers = nn.ModuleList(
            EnsembleLinear(n_members, d_hidden, d_hidden) for _ in range(n_layers - 1)
        )
        self.output_layer = EnsembleLinear(n_members, d_hidden, d_output)
        self.activation = activation_switch(activation)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, *parts: Tensor) -> Tensor:
        """Apply all MLPs to the concatenation of some parts.

        Args:
            *parts: Each (..., features); the leading axes broadcast.

        Returns:
            (..., C, d_output).
        """
        x = self.inp_layer.from_shared_parts(parts)  # (..., C, d_hidden)
        x = self.dropout(self.activation(x))
        lead = x.shape[:-2]
        x = x.flatten(0, -3).transpose(0, 1)  # (C, n, d_hidden)
        for layer in self.core_layers:
            x = self.dropout(self.activation(layer(x)))
        return self.output_layer(x).transpose(0, 1).unflatten(0, lead)
