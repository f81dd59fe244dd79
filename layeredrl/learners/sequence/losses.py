"""Targets and losses of a sequence actor-critic, as functions of encoded sequences.

Legend of this page: B batch, T time, D features, G discounts, A action features, C
critics.
"""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution

from layeredrl.learners.sequence.values import SequenceValues

if TYPE_CHECKING:
    from layeredrl.learners.sequence.config import SequenceActorCriticConfig

_LARGEST_WEIGHT = 100.0


class Decisions(NamedTuple):
    """What was decided along sequences, and what came of it.

    Attributes:
        action: In the unit box, or one-hot, (B, T, A).
        reward: (B, T).
        terminated: Whether the episode ended by this step, 0 or 1, (B, T).
        n_env_steps: Environment steps it took, (B, T).
        is_valid: Which ones count, 0.0 or 1.0, (B, T).
    """

    action: Tensor
    reward: Tensor
    terminated: Tensor
    n_env_steps: Tensor
    is_valid: Tensor

    def mean(self, x: Tensor) -> Tensor:
        """Average over the decisions that count.

        Args:
            x: (B, T).

        Returns:
            0-dim; 0 if none counts.
        """
        # Not a product alone: what does not count may be infinite.
        counted = torch.where(self.is_valid > 0, x, 0.0)
        return counted.sum() / self.is_valid.sum().clamp(min=1.0)

    def taken(self, n_gammas: int) -> Tensor:
        """Show the actions to critics.

        Args:
            n_gammas: Number of discounts G.

        Returns:
            (1, B, T, G, A).
        """
        action = self.action.unsqueeze(-2).expand(-1, -1, n_gammas, -1)
        return action.unsqueeze(0)


@torch.no_grad()
def td_targets(
    values: SequenceValues,
    state: Tensor,
    policy: Distribution,
    decisions: Decisions,
    gammas: Tensor,
    members: Tensor,
    trace: float = 0.0,
) -> Tensor:
    """Bootstrap returns from the states that followed.

    Nothing is expected to come after a termination. Where an episode was truncated, or
    goes on beyond the sequence, what followed is a state like any other. With a trace,
    returns look beyond the next state, along what was really done: Peng's Q(lambda),
    equation 5 of Kozuno et al., "Revisiting Peng's Q(lambda) for Modern Reinforcement
    Learning" (ICML 2021).

    Args:
        values: The critics.
        state: The states that followed, (B, T, D).
        policy: What the target policy does there, (B, T, G, A).
        decisions: The decisions.
        gammas: Discounts per environment step, (G,) float64.
        members: Which critics to believe the worst of, (n,) int64.
        trace: Weight lambda of what was really done, in [0, 1].

    Returns:
        (B, T, 1, G, 1).
    """
    worst = values.of_policy(values.target, state, policy)  # (B, T, C, G, 1)
    worst = worst[:, :, members].amin(-3, keepdim=True)
    # In float32 the rounding of gamma alone would add up over long decisions.
    discount = gammas ** decisions.n_env_steps.double().unsqueeze(-1)  # (B, T, G)
    discount = discount * (1.0 - decisions.terminated.double().unsqueeze(-1))
    discount = discount.float()[:, :, None, :, None]
    reward = decisions.reward[:, :, None, None, None]
    target = reward + discount * worst
    if trace > 0.0:
        goes_on = decisions.is_valid[:, 1:, None, None, None]
        share = trace * goes_on * discount[:, :-1]
        _carry_back(target, share, worst[:, :-1])
    return target


def _carry_back(target: Tensor, share: Tensor, value: Tensor) -> None:
    """Replace, from the end on, part of each next state's value by its own target.

    Args:
        target: One-step targets, (B, T, 1, G, 1), which change.
        share: Which part, discounted, (B, T - 1, 1, G, 1).
        value: Values of the next states, (B, T - 1, 1, G, 1).
    """
    for t in reversed(range(share.shape[1])):
        gain = target[:, t + 1] - value[:, t]
        target[:, t] += share[:, t] * torch.where(share[:, t] > 0.0, gain, 0.0)


def online_loss(values: SequenceValues, state: Tensor, policy: Distribution) -> Tensor:
    """Ask the critics what the policy's actions are worth.

    The gradient reaches policy and encoder through the actions alone: the state that
    critics judge them in is a constant, lest the encoder learn to please critics.

    Args:
        values: The critics; their weights get no gradient.
        state: (B, T, D).
        policy: The policy there, (B, T, G, A).

    Returns:
        Negative normalised value, averaged over critics and discounts, (B, T).
    """
    with values.frozen():
        value = values.of_policy(values.online, state.detach(), policy)
    return -values.popart.normalize_values(value).mean((-1, -2, -3))


def cloning_loss(
    values: SequenceValues,
    state: Tensor,
    policy: Distribution,
    decisions: Decisions,
    config: "SequenceActorCriticConfig",
) -> tuple[Tensor, Tensor]:
    """Imitate the stored actions that critics find good (filtered behaviour cloning).

    After CRR (Wang et al. 2020), with the advantage over the policy's own value.

    Args:
        values: The critics; they get no gradient.
        state: (B, T, D).
        policy: The policy there, (B, T, G, A).
        decisions: What was done instead.
        config: Says how to filter.

    Returns:
        Weighted negative log-likelihood, averaged over discounts, and the average
        weights, (B, T) each.
    """
    with torch.no_grad():
        taken = decisions.taken(len(config.gammas))
        value = values.of_actions(values.online, state, taken).squeeze(0)
        own = values.of_policy(values.online, state, policy)
        normalize = values.popart.normalize_values
        advantage = (normalize(value) - normalize(own)).mean((-1, -3))  # (B, T, G)
        if config.advantage_filter == "binary":
            weight = (advantage > 0.0).float()
        else:
            weight = (advantage / config.advantage_temperature).exp()
            weight = weight.clamp(max=_LARGEST_WEIGHT)
    log_prob = _log_prob(policy, decisions.action, len(config.gammas), values.discrete)
    return -(weight * log_prob).mean(-1), weight.mean(-1)


def entropy(policy: Distribution, discrete: bool) -> Tensor:
    """Measure how undecided a policy is.

    Args:
        policy: The policy, (B, T, G, A).
        discrete: Whether its actions are one of several choices.

    Returns:
        Entropy averaged over discounts [nats], (B, T): exact for discrete actions, else
        by one drawn action.
    """
    if discrete:
        return policy.entropy().mean(-1)
    draw = policy.rsample if policy.has_rsample else policy.sample
    return -policy.log_prob(draw()).sum(-1).mean(-1)


def _log_prob(
    policy: Distribution, action: Tensor, n_gammas: int, discrete: bool
) -> Tensor:
    """Score the actions (B, T, A) for each discount, (B, T, G)."""
    if discrete:
        index = action.argmax(-1, keepdim=True).expand(-1, -1, n_gammas)
        return policy.log_prob(index)
    action = action.unsqueeze(-2).expand(-1, -1, n_gammas, -1)
    return policy.log_prob(action).sum(-1)
