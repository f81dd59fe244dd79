"""What TD-MPC2's networks are trained for (Hansen et al. 2024, equations 3 to 5)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from layeredrl.learners.tdmpc2.layers import MemberMLP
from layeredrl.learners.tdmpc2.stretches import Stretches
from layeredrl.learners.tdmpc2.world_model import WorldModel


class ModelLosses(NamedTuple):
    """Losses of the world model.

    Attributes:
        consistency: Of imagined latent states, 0-dim.
        reward: Of rewards [nats], 0-dim.
        value: Of values, averaged over the value functions [nats], 0-dim.
        termination: Of ends of episodes [nats], 0-dim; 0 if episodes never end.
    """

    consistency: Tensor
    reward: Tensor
    value: Tensor
    termination: Tensor


@torch.no_grad()
def td_targets(
    model: WorldModel,
    target_values: MemberMLP,
    stretches: Stretches,
    next_state: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """One-step targets, from the lower of two value functions drawn at random.

    The value of the next state counts for nothing where the step terminated the episode,
    and in full where the episode was merely cut short.

    Args:
        model: The world model.
        target_values: Slowly following copy of its value functions.
        stretches: The steps.
        next_state: Latent states after the steps, (B, T, Z).
        generator: Source of randomness.

    Returns:
        Targets (B, T).
    """
    value = _target_values(
        model, target_values, next_state, stretches.condition[:, 1:], generator
    )
    if stretches.next_condition is not None:
        last = (stretches.traj_len - 1).unsqueeze(1)  # (B, 1)
        n_options = stretches.next_condition.shape[1]
        index = last.unsqueeze(2).expand(-1, -1, next_state.shape[-1])
        state = next_state.gather(1, index).expand(-1, n_options, -1)
        options = _target_values(
            model, target_values, state, stretches.next_condition, generator
        )
        value = value.scatter(1, last, options.mean(1, keepdim=True))
    return stretches.reward + stretches.discount * torch.where(
        stretches.terminated > 0, 0.0, value
    )


def _target_values(
    model: WorldModel,
    target_values: MemberMLP,
    state: Tensor,
    condition: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Value states (B, T, Z) under conditions (B, T, C) by two drawn functions."""
    action, _ = model.policy.sample(torch.cat([state, condition], -1), generator)
    x = model.joined(state, condition, action)
    logits = target_values(x, model.draw_values(generator))  # (2, B, T, N)
    return model.two_hot.decode(logits).amin(0)


def imagine(model: WorldModel, stretches: Stretches) -> tuple[Tensor, Tensor]:
    """Encode the first observations and imagine what the actions lead to.

    Args:
        model: The world model.
        stretches: The steps.

    Returns:
        What the networks take at each step (B, T, Z+C+A), and the latent states after
        the steps (B, T, Z).
    """
    state = model.encode(stretches.obs[:, 0])
    inputs, states = [], []
    for step in range(stretches.action.shape[1]):
        x = model.joined(state, stretches.condition[:, step], stretches.action[:, step])
        state = model.dynamics(x)
        inputs.append(x)
        states.append(state)
    return torch.stack(inputs, 1), torch.stack(states, 1)


def model_losses(
    model: WorldModel,
    stretches: Stretches,
    imagined: tuple[Tensor, Tensor],
    next_state: Tensor,
    targets: Tensor,
) -> ModelLosses:
    """Compare what was imagined with what happened.

    Args:
        model: The world model.
        stretches: The steps.
        imagined: What :func:`imagine` returned.
        next_state: Encoded observations after the steps, (B, T, Z).
        targets: Targets of the values, (B, T).

    Returns:
        The losses.
    """
    inputs, states = imagined
    mean, two_hot = stretches.mean, model.two_hot
    termination = torch.zeros_like(stretches.weight[0, 0])
    if model.termination is not None:
        logit = model.termination(inputs).squeeze(-1)
        termination = mean(
            functional.binary_cross_entropy_with_logits(
                logit, stretches.terminated, reduction="none"
            )
        )
    return ModelLosses(
        consistency=mean((states - next_state).square().mean(-1)),
        reward=mean(two_hot.loss(model.reward(inputs), stretches.reward)),
        value=mean(two_hot.loss(model.values(inputs), targets)).mean(),
        termination=termination,
    )


def policy_values(
    model: WorldModel, inputs: Tensor, action_dim: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Evaluate what the policy would have done, so that gradients reach it.

    Args:
        model: The world model.
        inputs: What its networks took, (B, T, Z+C+A).
        action_dim: Action features A.
        generator: Source of randomness.

    Returns:
        Mean value of two value functions (B, T), and entropy of the policy as the sample
        tells it [nats], (B, T).
    """
    x = inputs[..., : inputs.shape[-1] - action_dim].detach()
    action, surprise = model.policy.sample(x, generator)
    members = model.draw_values(generator)
    logits = model.values(torch.cat([x, action], -1), members)
    return model.two_hot.decode(logits).mean(0), surprise
