"""A multilayer perceptron that keeps its inputs and its target at unit scale."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from layeredrl.nets.mlp import MLP, MemberLinear
from layeredrl.utils.normalization import RunningNormalizer


class Regressor(nn.Module):
    """Predicts one number from a vector, both normalised by running statistics.

    When the target's statistics move, the last layer is corrected so that the function
    does not (PopArt, van Hasselt et al. 2016); but not at the first data, before which
    there is no function worth keeping, only one of unit scale.
    """

    def __init__(
        self,
        in_dim: int,
        hidden_sizes: Sequence[int],
        activation: Callable[[], nn.Module],
    ):
        """Build the network.

        Args:
            in_dim: Input features D.
            hidden_sizes: Widths of the hidden layers.
            activation: Makes the activations.
        """
        super().__init__()
        self.inputs = RunningNormalizer(in_dim)
        self.target = RunningNormalizer(1)
        self.mlp = MLP(in_dim, hidden_sizes, 1, activation)

    def forward(self, x: Tensor) -> Tensor:
        """Predict.

        Args:
            x: Inputs (..., D).

        Returns:
            Predictions in the target's units (...).
        """
        y = self.mlp(self.inputs.normalize(x))
        return self.target.denormalize(y).squeeze(-1)

    @torch.no_grad()
    def observe(self, x: Tensor, target: Tensor) -> None:
        """Follow the data.

        Args:
            x: Inputs (R, D).
            target: Targets (R,).
        """
        self.inputs.update(x)
        mean, std = self.target.mean.clone(), self.target.std.clone()
        is_first = self.target.count == 0
        self.target.update(target.unsqueeze(-1))
        mean = torch.where(is_first, self.target.mean, mean)
        std = torch.where(is_first, self.target.std, std)
        last = self.mlp[-1]
        assert isinstance(last, MemberLinear)
        last.weight.mul_(std / self.target.std)
        last.bias.copy_((std * last.bias + mean - self.target.mean) / self.target.std)
