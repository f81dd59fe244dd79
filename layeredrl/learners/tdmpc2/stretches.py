"""Stretches of episodes in the form that TD-MPC2's losses take."""

from typing import NamedTuple

import torch
from torch import Tensor

from layeredrl.learners.action_scaling import ActionScaling
from layeredrl.nets.observation_parts import vector_part
from layeredrl.predictors.trajectory_batch import TrajectoryBatch


class Stretches(NamedTuple):
    """What the losses see of a batch.

    Attributes:
        obs: Observations without conditions, and those that follow, (B, T+1, O).
        condition: What to do there, (B, T+1, C).
        action: Actions in [-1, 1], (B, T, A).
        reward: Rewards, (B, T).
        terminated: 1.0 where the step ended the episode, (B, T).
        discount: What the value of the next state counts where the episode goes on,
            (B, T).
        weight: How much each step counts in a loss; all together sum to one, (B, T).
        traj_len: Numbers of valid steps, (B,).
        next_condition: What to do after the last valid step, (B, n, C): values there are
            averaged over all n.
    """

    obs: Tensor
    condition: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor
    discount: Tensor
    weight: Tensor
    traj_len: Tensor
    next_condition: Tensor | None

    def mean(self, loss: Tensor) -> Tensor:
        """Average a loss over steps.

        Args:
            loss: Losses of the steps (..., B, T); steps that are not valid have finite
                ones.

        Returns:
            Averages (...).
        """
        return (self.weight * loss).sum((-2, -1))


def read_stretches(
    batch: TrajectoryBatch,
    condition_dim: int,
    scaling: ActionScaling,
    gamma: float,
    rho: float,
) -> Stretches:
    """Read a batch.

    Args:
        batch: The batch.
        condition_dim: How many of the last features of an observation say what to do.
        scaling: Maps actions to the unit box.
        gamma: Discount per environment step.
        rho: Ratio of the weights of successive steps: far predictions count less.

    Returns:
        The stretches; nothing large is copied.
    """
    seen = vector_part(batch.obs)
    obs, condition = seen.split([seen.shape[-1] - condition_dim, condition_dim], dim=-1)
    steps = torch.arange(batch.rew.shape[1], device=obs.device)
    weight = batch.validity_mask * rho**steps
    return Stretches(
        obs=obs,
        condition=condition,
        action=scaling.to_unit(batch.act),
        reward=batch.rew.float(),
        terminated=batch.terminated.float(),
        discount=batch.discounts(gamma, torch.float32),
        weight=weight / weight.sum(),
        traj_len=batch.traj_len,
        next_condition=batch.next_conditions,
    )
