"""Single transitions from a replay buffer, for models."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from tianshou.data import ReplayBuffer
from torch import Tensor

from layeredrl.nets.encoder import TensorObservation
from layeredrl.predictors.replay_tensors import (
    gather,
    gather_successors,
    observation_rows,
    observation_tensors,
    tensor,
)
from layeredrl.utils.partial_trajectories import draw_transitions


class TransitionBatch(NamedTuple):
    """Transitions as they were observed.

    Attributes:
        obs: Observations, (B, O), or a dict.
        obs_next: The observations that followed, (B, O), or a dict.
        act: Action features, (B, A).
        terminated: Whether the transition ended the episode, (B,).
    """

    obs: TensorObservation
    obs_next: TensorObservation
    act: Tensor
    terminated: Tensor

    def rows(self, rows: slice) -> "TransitionBatch":
        """Take some rows; nothing is copied.

        Args:
            rows: Which ones.

        Returns:
            Their transitions.
        """
        return TransitionBatch(
            observation_rows(self.obs, rows),
            observation_rows(self.obs_next, rows),
            self.act[rows],
            self.terminated[rows],
        )


def sample_transition_batch(
    buffer: ReplayBuffer,
    batch_size: int,
    encode_actions: Callable[[Tensor], Tensor],
    device: torch.device,
) -> TransitionBatch:
    """Sample transitions uniformly.

    Args:
        buffer: Where to sample.
        batch_size: Number of transitions B.
        encode_actions: Turns stored actions into features.
        device: Where the tensors go.

    Returns:
        The batch.
    """
    position, offset, _ = draw_transitions(buffer, batch_size)
    indices = position + offset
    return TransitionBatch(
        observation_tensors(gather(buffer.obs, indices), device),
        observation_tensors(gather_successors(buffer, indices), device),
        encode_actions(tensor(buffer.act.take(indices, axis=0), device)),
        tensor(buffer.terminated.take(indices), device),
    )
