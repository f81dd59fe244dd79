"""Rewards of imagined trajectories."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from layeredrl.types import LatentRollout

# Long computations are cut into blocks of so many rows, so that a layer's activations stay
# in a CPU core's cache (1024 rows of 128 float32 features are half a megabyte).
CACHED_ROWS = 2048

Reward = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


class RewardedRollout(NamedTuple):
    """Imagined trajectories with their rewards.

    Attributes:
        state: Latent states, the start first, (B, M, P, T+1, Z).
        term_prob: Probability that step t ends the episode, (B, M, P, T).
        rew: Rewards, (B, M, P, T).
    """

    state: Tensor
    term_prob: Tensor
    rew: Tensor


def distinct_particles(x: Tensor) -> Tensor:
    """Drop particles that coincide, which is known from their sharing memory.

    Args:
        x: Numbers of each particle (B, M, P, ...).

    Returns:
        All of them (B, M, P, ...), or one for all (B, M, 1, ...).
    """
    return x[:, :, :1] if x.stride(2) == 0 else x


def rollout_rewards(
    reward: Reward, rollout: LatentRollout, context: Tensor, act: Tensor
) -> Tensor:
    """Evaluate a reward at every step, once for particles that coincide.

    Args:
        reward: Called with states, contexts, actions and next states (..., features).
        rollout: The trajectories.
        context: Contexts (B, C).
        act: Action features (B, T, A).

    Returns:
        Rewards (B, M, P, T).
    """
    n_particles = rollout.state.shape[2]
    states = distinct_particles(rollout.state)
    batch, members, particles, n_states, _ = states.shape
    chunk = max(1, CACHED_ROWS // max(1, batch * members * particles))
    rewards = []
    for first in range(0, n_states - 1, chunk):
        here = states[:, :, :, first : first + chunk + 1]
        steps = here.shape[3] - 1
        lead = (batch, members, particles, steps)
        rewards.append(
            reward(
                here[..., :-1, :],
                context[:, None, None, None].expand(*lead, -1),
                act[:, None, None, first : first + steps].expand(*lead, -1),
                here[..., 1:, :],
            )
        )
    total = torch.cat(rewards, dim=-1) if len(rewards) > 1 else rewards[0]
    return total.expand(-1, -1, n_particles, -1)
