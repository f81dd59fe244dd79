"""Learned state values."""

from collections.abc import Callable, Sequence

import gin
import torch
from torch import Tensor, nn

from layeredrl.nets.latent_function import LatentFunction
from layeredrl.nets.regressor import Regressor


@gin.configurable
class ValueNet(LatentFunction):
    """Value as a function of state and context; the action is ignored."""

    def __init__(
        self,
        state_dim: int,
        context_dim: int,
        hidden_sizes: Sequence[int] = (128, 128),
        activation: Callable[[], nn.Module] = nn.SiLU,
        device: torch.device | str = "cpu",
    ):
        """Build the network.

        Args:
            state_dim: Features of the latent state Z.
            context_dim: Features of the context C.
            hidden_sizes: Widths of the hidden layers.
            activation: Makes the activations.
            device: Where to put it.
        """
        super().__init__()
        self.regressor = Regressor(state_dim + context_dim, hidden_sizes, activation)
        self.to(device)

    def forward(self, state: Tensor, context: Tensor, action: Tensor) -> Tensor:
        """Predict the value (...)."""
        return self.regressor(torch.cat([state, context], dim=-1))

    def observe(self, inputs: tuple[Tensor, ...], target: Tensor) -> None:
        """Follow the data; errors are measured in the values' standard deviation."""
        self.regressor.observe(torch.cat(inputs[:2], dim=-1), target)
        self.output_scale.copy_(self.regressor.target.std.squeeze())
