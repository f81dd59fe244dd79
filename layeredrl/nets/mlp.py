"""Multilayer perceptrons that may carry the weights of several ensemble members."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError
from layeredrl.nets.member_stack import MemberBatched


class MemberLinear(nn.Linear, MemberBatched):
    """A linear layer whose weights may have a leading member axis.

    With weights (out, in) it is an ordinary linear layer. After stacking (see
    :class:`~layeredrl.nets.member_stack.MemberStack`) they are (M, out, in), and inputs
    (M, R, in) pass through all members in one batched product.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer.

        Args:
            x: Inputs (..., in), or (M, R, in) for stacked weights.

        Returns:
            Outputs of the same shape but for the feature axis.
        """
        if self.weight.dim() == 2:
            return nn.functional.linear(x, self.weight, self.bias)
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.mT)


class MLP(nn.Sequential):
    """Linear layers with an activation after each but the last."""

    def __init__(
        self,
        in_dim: int,
        hidden_sizes: Sequence[int],
        out_dim: int,
        activation: Callable[[], nn.Module] = nn.SiLU,
    ):
        """Build the layers.

        Args:
            in_dim: Input features, positive.
            hidden_sizes: Width of each hidden layer; none makes it linear.
            out_dim: Output features, positive.
            activation: Makes the activation of each hidden layer.

        Raises:
            ConfigurationError: If a size is not positive.
        """
        sizes = [in_dim, *hidden_sizes, out_dim]
        if min(sizes) < 1:
            raise ConfigurationError(f"layer sizes must be positive, got {sizes}")
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [MemberLinear(before, after), activation()]
        super().__init__(*layers[:-1])
