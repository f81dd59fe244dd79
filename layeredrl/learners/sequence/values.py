"""The critics of a sequence actor-critic: what they say, and how they are taught.

Legend of this page: B batch, T time, D features, G discounts, A action features, C
critics, K action samples.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from layeredrl.nets.critics import NCritics
from layeredrl.nets.popart_layer import PopArtLayer
from layeredrl.nets.two_hot_critics import NCriticsTwoHot

if TYPE_CHECKING:
    from layeredrl.learners.sequence.config import SequenceActorCriticConfig

Critic = NCritics | NCriticsTwoHot


class SequenceValues(nn.Module):
    """An ensemble of critics, its slowly following copy, and the scale of values.

    Values are in units of the environment's rewards.

    Attributes:
        online: The critics that learn.
        target: The critics that bootstrap.
        popart: Running statistics of the targets per discount.
    """

    online: Critic
    target: Critic

    def __init__(
        self,
        config: "SequenceActorCriticConfig",
        state_dim: int,
        action_dim: int,
        discrete: bool,
    ):
        """Build the critics.

        Args:
            config: Their sizes.
            state_dim: Features D of a state.
            action_dim: Action features A, or number of choices.
            discrete: Whether actions are one of several choices.
        """
        super().__init__()
        gammas = torch.tensor(config.gammas)
        n_layers, d_hidden = config.critic_hidden
        self.discrete, self.n_choices = discrete, action_dim
        if config.critic == "two_hot":
            low, high = config.return_range
            self.online = NCriticsTwoHot(
                state_dim,
                action_dim,
                gammas,
                num_critics=config.n_critics,
                d_hidden=d_hidden,
                n_layers=n_layers,
                min_return=low,
                max_return=high,
                output_bins=config.n_bins,
            )
        else:
            self.online = NCritics(
                state_dim,
                action_dim,
                discrete,
                gammas,
                num_critics=config.n_critics,
                d_hidden=d_hidden,
                n_layers=n_layers,
            )
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.popart = PopArtLayer(len(gammas), enabled=config.use_popart)

    def of_actions(self, critic: Critic, state: Tensor, action: Tensor) -> Tensor:
        """Value actions.

        Args:
            critic: ``online`` or ``target``.
            state: (B, T, D).
            action: (K, B, T, G, A) in the unit box; discrete ones one-hot, with K = 1
                for scalar critics.

        Returns:
            (K, B, T, C, G, 1).
        """
        if isinstance(critic, NCriticsTwoHot):
            return critic.bin_dist_to_raw_vals(critic(state, action))
        return self.popart(critic(state, action), normalized=False)

    def of_policy(self, critic: Critic, state: Tensor, policy: Distribution) -> Tensor:
        """Value a policy: exactly for discrete actions, else by one drawn action.

        Args:
            critic: ``online`` or ``target``.
            state: (B, T, D).
            policy: Its distribution over actions (B, T, G, A).

        Returns:
            (B, T, C, G, 1), differentiable with respect to the policy where it can be.
        """
        if not self.discrete:
            draw = policy.rsample if policy.has_rsample else policy.sample
            return self.of_actions(critic, state, draw().unsqueeze(0)).squeeze(0)
        assert isinstance(policy, Categorical)
        probs = policy.probs  # (B, T, G, A)
        if isinstance(critic, NCritics):  # linear in its one-hot actions
            return self.of_actions(critic, state, probs.unsqueeze(0)).squeeze(0)
        choices = torch.eye(self.n_choices, device=state.device)
        choices = choices[:, None, None, None].expand(-1, *probs.shape)
        values = self.of_actions(critic, state, choices)  # (A, B, T, C, G, 1)
        weights = probs.movedim(-1, 0)[:, :, :, None, :, None]
        return (weights * values).sum(0)

    def loss(self, state: Tensor, action: Tensor, target: Tensor) -> Tensor:
        """Measure how far the critics are from targets.

        Args:
            state: (B, T, D).
            action: Actions that were taken, (1, B, T, G, A).
            target: (B, T, 1, G, 1).

        Returns:
            Squared error of normalised values, or cross-entropy of bins, averaged over
            critics and discounts, (B, T).
        """
        if isinstance(self.online, NCriticsTwoHot):
            bins = self.online(state, action)
            labels = self.online.raw_vals_to_labels(target)  # (B, T, 1, G, bins)
            return -(labels * bins.logits.squeeze(0)).sum(-1).mean((-1, -2))
        value = self.popart(self.online(state, action)).squeeze(0)  # (B, T, C, G, 1)
        error = value - self.popart.normalize_values(target)
        return error.square().mean((-1, -2, -3))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Keep gradients out of the critics' weights for what is computed inside.

        Yields:
            Nothing.
        """
        self.online.requires_grad_(False)
        try:
            yield
        finally:
            self.online.requires_grad_(True)


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, tau: float) -> None:
    """Move the weights of a target network towards those of the online one.

    Args:
        target: Follows.
        online: Leads.
        tau: Share that is taken over.
    """
    torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), tau)
