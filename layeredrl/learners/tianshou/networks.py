"""Actors and critics in the form in which Tianshou calls them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from tianshou.utils.net.common import EnsembleLinear, Net
from tianshou.utils.net.continuous import (
    ContinuousActorDeterministic,
    ContinuousActorProbabilistic,
    ContinuousCritic,
)
from tianshou.utils.net.discrete import DiscreteCritic
from torch import Tensor, nn


def deterministic_actor(
    obs_dim: int, action_dim: int, hidden_sizes: Sequence[int]
) -> ContinuousActorDeterministic:
    """Build an actor that names actions.

    Args:
        obs_dim: Features O that it sees.
        action_dim: Action features A.
        hidden_sizes: Units per hidden layer.

    Returns:
        The network.
    """
    return ContinuousActorDeterministic(
        preprocess_net=Net(state_shape=obs_dim, hidden_sizes=hidden_sizes),
        action_shape=action_dim,
    )


def gaussian_actor(
    obs_dim: int, action_dim: int, hidden_sizes: Sequence[int]
) -> ContinuousActorProbabilistic:
    """Build an actor that returns means and state-dependent standard deviations.

    Args:
        obs_dim: Features O that it sees.
        action_dim: Action features A.
        hidden_sizes: Units per hidden layer.

    Returns:
        The network.
    """
    return ContinuousActorProbabilistic(
        preprocess_net=Net(state_shape=obs_dim, hidden_sizes=hidden_sizes),
        action_shape=action_dim,
        unbounded=True,
        conditioned_sigma=True,
    )


# Where both concentrations are rounded to 1, a Beta distribution has no mode.
_LEAST_EXCESS = 1e-4


class BetaActor(nn.Module):
    """Returns the concentrations of Beta distributions, all above 1."""

    def __init__(self, obs_dim: int, action_dim: int, hidden_sizes: Sequence[int]):
        """Build the network.

        Args:
            obs_dim: Features O that it sees.
            action_dim: Action features A.
            hidden_sizes: Units per hidden layer.
        """
        super().__init__()
        self.net = Net(
            state_shape=obs_dim,
            action_shape=2 * action_dim,
            hidden_sizes=hidden_sizes,
            activation=nn.Tanh,
        )

    def forward(
        self, obs: Tensor, state: Any = None, info: Any = None
    ) -> tuple[tuple[Tensor, Tensor], Any]:
        """Return the two concentrations, (B, A) each, and the state as it was."""
        raw, state = self.net(obs, state)
        concentrations = 1.0 + _LEAST_EXCESS + torch.nn.functional.softplus(raw)
        one, other = concentrations.chunk(2, dim=-1)
        return (one, other), state


def choice_net(
    obs_dim: int,
    action_dim: int,
    hidden_sizes: Sequence[int],
    activation: type[nn.Module] = nn.ReLU,
) -> nn.Module:
    """Build a network with one output per choice.

    Args:
        obs_dim: Features O that it sees.
        action_dim: Number of choices A.
        hidden_sizes: Units per hidden layer.
        activation: Between the layers.

    Returns:
        The network; it returns values or logits (B, A), and a state.
    """
    return Net(
        state_shape=obs_dim,
        action_shape=action_dim,
        hidden_sizes=hidden_sizes,
        activation=activation,
    )


def action_critic(
    obs_dim: int,
    action_dim: int,
    hidden_sizes: Sequence[int],
    n_members: int | None = None,
) -> nn.Module:
    """Build a critic of observation and action.

    Args:
        obs_dim: Features O that it sees.
        action_dim: Action features A.
        hidden_sizes: Units per hidden layer.
        n_members: Members of a batched ensemble; ``None`` for a single critic.

    Returns:
        The network; it returns values (B, 1), or (M, B, 1).
    """
    linear: Any = nn.Linear
    if n_members is not None:
        linear = partial(EnsembleLinear, n_members)
    net = Net(
        state_shape=obs_dim,
        action_shape=action_dim,
        hidden_sizes=hidden_sizes,
        concat=True,
        linear_layer=linear,
    )
    return ContinuousCritic(
        preprocess_net=net, linear_layer=linear, flatten_input=n_members is None
    )


def choice_critic(
    obs_dim: int, action_dim: int, hidden_sizes: Sequence[int]
) -> nn.Module:
    """Build a critic with one value per choice.

    Args:
        obs_dim: Features O that it sees.
        action_dim: Number of choices A.
        hidden_sizes: Units per hidden layer.

    Returns:
        The network; it returns values (B, A).
    """
    return DiscreteCritic(
        preprocess_net=Net(state_shape=obs_dim, hidden_sizes=hidden_sizes),
        last_size=action_dim,
    )


def state_critic(obs_dim: int, hidden_sizes: Sequence[int]) -> nn.Module:
    """Build a critic of observations alone.

    Args:
        obs_dim: Features O that it sees.
        hidden_sizes: Units per hidden layer.

    Returns:
        The network; it returns values (B, 1).
    """
    net = Net(state_shape=obs_dim, hidden_sizes=hidden_sizes, activation=nn.Tanh)
    return ContinuousCritic(preprocess_net=net)
