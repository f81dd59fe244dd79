"""Learned rewards of the state that was reached."""

from collections.abc import Callable, Sequence

import gin
import torch
from torch import Tensor, nn

from layeredrl.nets.regressor import Regressor
from layeredrl.nets.transition_reward import TransitionReward


@gin.configurable
class ReachedRewardNet(TransitionReward):
    """Reward as a function of the reached state and the context.

    The natural form where a goal is the context: the network need not learn the
    dynamics once more, as one of state and action has to.
    """

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
            action_dim: Features of the action A; actions are not looked at.
            hidden_sizes: Widths of the hidden layers.
            activation: Makes the activations.
            device: Where to put it.
        """
        super().__init__()
        self.regressor = Regressor(state_dim + context_dim, hidden_sizes, activation)
        self.to(device)

    def forward(
        self, state: Tensor, context: Tensor, action: Tensor, next_state: Tensor
    ) -> Tensor:
        """Predict the reward (...)."""
        return self.regressor(torch.cat([next_state, context], dim=-1))

    def observe(self, inputs: tuple[Tensor, ...], target: Tensor) -> None:
        """Follow the data; errors are measured in the rewards' standard deviation."""
        _, context, _, next_state = inputs
        self.regressor.observe(torch.cat([next_state, context], dim=-1), target)
        self.output_scale.copy_(self.regressor.target.std.squeeze())
