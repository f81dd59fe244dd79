"""Learned rewards."""

from collections.abc import Callable, Sequence

import gin
import torch
from torch import Tensor, nn

from layeredrl.nets.latent_function import LatentFunction
from layeredrl.nets.regressor import Regressor


@gin.configurable
class RewardNet(LatentFunction):
    """Reward as a function of state, context and action."""

    def __init__(
        self,
        state_dim: int,
        context_dim: int,
        action_dim: int,
        hidden_sizes: Sequence[int] = (128, 128),
        activation: Callable[[], nn.Module] = nn.SiLU,
        device: torch.device | str = "cpu",
    ):
        """Build the network.

        Args:
            state_dim: Features of the latent state Z.
            context_dim: Features of the context C.
            action_dim: Features of the action A.
            hidden_sizes: Widths of the hidden layers.
            activation: Makes the activations.
            device: Where to put it.
        """
        super().__init__()
        in_dim = state_dim + context_dim + action_dim
        self.regressor = Regressor(in_dim, hidden_sizes, activation)
        self.to(device)

    def forward(self, state: Tensor, context: Tensor, action: Tensor) -> Tensor:
        """Predict the reward (...)."""
        return self.regressor(torch.cat([state, context, action], dim=-1))

    def observe(self, inputs: tuple[Tensor, ...], target: Tensor) -> None:
        """Follow the data; errors are measured in the rewards' standard deviation."""
        self.regressor.observe(torch.cat(inputs, dim=-1), target)
        self.output_scale.copy_(self.regressor.target.std.squeeze())
