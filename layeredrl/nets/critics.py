"""The value heads: ensembles of MLPs from a state and an action to a value per gamma.

Legend of these pages: B batch, L length (time), G number of gammas, A action features, K
action samples, C critics.
"""

import gin
import torch
from torch import Tensor, nn

from layeredrl.errors import ShapeError
from layeredrl.nets.critic_ensemble import Ensemble
from layeredrl.nets.utils import symlog


def _gamma_feature(gammas: Tensor) -> Tensor:
    """Tell a network how far a discount factor looks ahead, same shape."""
    return symlog(1 / (1 - gammas).clamp(1e-6, 1))


def gammas_as_input_seq(gammas: Tensor, batch_size: int, length: int) -> Tensor:
    """Make network inputs of discount factors.

    Args:
        gammas: Discount factors, (G,).
        batch_size: Number of rows, B.
        length: Number of steps, L.

    Returns:
        ``symlog(1 / (1 - gamma))``, (B * G, L, 1), row slow and gamma fast.
    """
    feature = _gamma_feature(gammas)
    return feature.repeat(batch_size)[:, None, None].repeat(1, length, 1)


class StateActionCritic(nn.Module):
    """An ensemble over state, gamma and action, which never repeats the state."""

    gamma_feature: Tensor

    def __init__(
        self, state_dim: int, action_dim: int, gammas: Tensor, net: Ensemble
    ) -> None:
        """Remember the sizes.

        Args:
            state_dim: Features of the state.
            action_dim: Action features, or number of choices.
            gammas: Discount factors, (G,).
            net: One MLP per critic.
        """
        super().__init__()
        self.state_dim, self.action_dim = state_dim, action_dim
        self.num_gammas = len(gammas)
        feature = _gamma_feature(torch.as_tensor(gammas)).float()
        self.register_buffer("gamma_feature", feature, persistent=False)
        self.net = net

    def __len__(self) -> int:
        """Give the number of critics."""
        return self.net.n_members

    def _check(self, state: Tensor, action: Tensor) -> None:
        """Refuse anything but states (B, L, S) and actions (K, B, L, G, A)."""
        end = (self.num_gammas, self.action_dim)
        if (
            state.ndim != 3
            or state.shape[-1] != self.state_dim
            or action.ndim != 5
            or tuple(action.shape[1:]) != (*state.shape[:-1], *end)
        ):
            raise ShapeError(
                f"expected a state (B, L, {self.state_dim}) and actions (K, B, L, "
                f"{end[0]}, {end[1]}), got {tuple(state.shape)} and "
                f"{tuple(action.shape)}"
            )

    def _outputs(self, state: Tensor, action: Tensor) -> Tensor:
        """Evaluate all critics, (K, B, L, C, G, outputs)."""
        self._check(state, action)
        gamma = self.gamma_feature.to(state.dtype).unsqueeze(-1)  # (G, 1)
        action = action.clamp(-0.999, 0.999)
        return self.net(state.unsqueeze(-2), gamma, action).transpose(-3, -2)


@gin.configurable(module="layeredrl.nets.actor_critic")
class NCritics(StateActionCritic):
    """A small ensemble of MLPs that gives one value per critic and gamma."""

    def __init__(
        self,
        state_dim: int,
        action_dim: int,
        discrete: bool,
        gammas: Tensor,
        num_critics: int = 4,
        d_hidden: int = 256,
        n_layers: int = 2,
        dropout_p: float = 0.0,
        activation: str = "leaky_relu",
    ) -> None:
        """Build the ensemble.

        Args:
            state_dim: Features of the state.
            action_dim: Action features, or number of choices.
            discrete: Whether actions are one of several choices, given as one-hot vectors.
            gammas: Discount factors, (G,).
            num_critics: Number of critics.
            d_hidden: Features of each hidden layer.
            n_layers: Number of hidden layers.
            dropout_p: Probability of dropping a hidden feature, in [0, 1].
            activation: Name of the activation (see ``nets.utils.activation_switch``).
        """
        net = Ensemble(
            state_dim if discrete else state_dim + 1 + action_dim,
            d_hidden,
            n_layers,
            len(gammas) * action_dim if discrete else 1,
            n_members=num_critics,
            activation=activation,
            dropout_p=dropout_p,
        )
        super().__init__(state_dim, action_dim, gammas, net)
        self.discrete = discrete

    def forward(
        self, state: Tensor, action: Tensor, log_dict: dict | None = None
    ) -> Tensor:
        """Estimate values.

        Args:
            state: (B, L, state_dim).
            action: Action samples, (K, B, L, G, A); discrete ones are one-hot, or soft,
                with K = 1.
            log_dict: Nothing is logged.

        Returns:
            (K, B, L, C, G, 1).

        Raises:
            ShapeError: A shape is another one, or K is not 1 with discrete actions.
        """
        if not self.discrete:
            return self._outputs(state, action)
        self._check(state, action)
        if action.shape[0] != 1:
            raise ShapeError(
                f"discrete critics take K = 1 action sample, got {action.shape[0]}"
            )
        values = self.net(state).unflatten(-1, action.shape[-2:])  # (B, L, C, G, A)
        return (values * action.unsqueeze(-3)).sum(-1, keepdim=True)
