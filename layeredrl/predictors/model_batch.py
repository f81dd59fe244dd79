"""What a model learns from: single transitions in latent space."""

import torch
from tianshou.data import Batch
from torch import Tensor

from layeredrl.nets import Encoder
from layeredrl.nets.encoder import map_observation
from layeredrl.predictors.replay_tensors import as_batch
from layeredrl.predictors.trajectory_batch import TrajectoryBatch
from layeredrl.predictors.transition_batch import TransitionBatch


@torch.no_grad()
def encoded_transitions(batch: TransitionBatch, encoder: Encoder) -> Batch:
    """Encode single transitions, for encoders without memory.

    Args:
        batch: Transitions as they were observed.
        encoder: Encodes each observation on its own.

    Returns:
        What ``RewardPredictor.sample_model_batch`` describes.
    """
    state, context = encoder(batch.obs)
    next_state, next_context = encoder(batch.obs_next)
    return _model_batch(batch, state, context, next_state, next_context)


@torch.no_grad()
def picked_transitions(
    batch: TrajectoryBatch, state: Tensor, context: Tensor, shares: Tensor
) -> Batch:
    """Take transitions out of encoded stretches, where memory has seen the past.

    Args:
        batch: The stretches.
        state: Their latent states (B, T+1, Z).
        context: Their contexts (B, T+1, C).
        shares: Which of the valid transitions, each as a share of their number in [0, 1),
            (R,) float64.

    Returns:
        What ``RewardPredictor.sample_model_batch`` describes, for R transitions.
    """
    ends = batch.traj_len.cumsum(0)
    flat = (shares * ends[-1]).long()
    rows = torch.searchsorted(ends, flat, right=True)
    steps = flat - (ends - batch.traj_len)[rows]
    transitions = TransitionBatch(
        map_observation(batch.obs, lambda x: x[rows, steps]),
        map_observation(batch.obs, lambda x: x[rows, steps + 1]),
        batch.act[rows, steps],
        batch.terminated[rows, steps],
    )
    return _model_batch(
        transitions,
        state[rows, steps],
        context[rows, steps],
        state[rows, steps + 1],
        context[rows, steps + 1],
    )


def _model_batch(
    batch: TransitionBatch,
    state: Tensor,
    context: Tensor,
    next_state: Tensor,
    next_context: Tensor,
) -> Batch:
    fields = batch._asdict() | {
        "state": state,
        "next_state": next_state,
        "context": context,
        "next_context": next_context,
        "validity_mask": state.new_ones(len(state)),
    }
    return as_batch(fields)
