"""What rewards and values are fitted by; all pure."""

from collections.abc import Callable

import torch
from tianshou.data import Batch
from torch import Tensor

from layeredrl.nets import FittedFunction
from layeredrl.types import LatentTransitions

Reward = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def reward_loss(
    batch: Batch, rew_func: FittedFunction | None, reward: Reward
) -> Tensor:
    """Mean squared error of the reward over valid steps, in the reward's scale.

    Args:
        batch: What ``RewardPredictor.compute_targets`` returns.
        rew_func: The reward function; ``None`` gives a loss of 0.
        reward: Calls it with states, contexts, actions and next states (B, T, ...).

    Returns:
        Scalar.
    """
    if rew_func is None:
        return torch.zeros((), device=batch.rew.device)
    context = batch.contexts.unsqueeze(1).expand(-1, batch.state.shape[1], -1)
    predicted = reward(batch.state, context, batch.act, batch.next_state)
    error = (predicted - batch.rew) / rew_func.output_scale
    return masked_mean(error.square(), batch.validity_mask)


def value_loss(batch: Batch, val_func: FittedFunction | None) -> Tensor:
    """Mean squared error of the value over planned, valid steps, in the value's scale.

    Args:
        batch: What ``RewardPredictor.compute_targets`` returns.
        val_func: The value function; ``None`` gives a loss of 0.

    Returns:
        Scalar; no gradient reaches the encoder.
    """
    if val_func is None:
        return torch.zeros((), device=batch.rew.device)
    k_steps = batch.value.shape[1]
    predicted = val_func(
        batch.state[:, :k_steps].detach(),
        batch.contexts.detach().unsqueeze(1).expand(-1, k_steps, -1),
        batch.act[:, :k_steps],
    )
    error = (predicted - batch.value) / val_func.output_scale
    mask = (batch.validity_mask * batch.planned)[:, :k_steps]
    return masked_mean(error.square(), mask)


def as_transitions(batch: Batch) -> LatentTransitions:
    """Name the parts of a model batch.

    Args:
        batch: What ``RewardPredictor.sample_model_batch`` returns.

    Returns:
        The transitions.
    """
    return LatentTransitions(
        batch.state,
        batch.context,
        batch.act,
        batch.next_state,
        batch.terminated,
        batch.validity_mask,
    )


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Average over valid entries.

    Args:
        x: Numbers of any shape.
        mask: 1.0 for valid ones, 0.0 for others, of the same shape.

    Returns:
        Scalar; 0 if none is valid.
    """
    return (x * mask).sum() / mask.sum().clamp(min=1.0)
