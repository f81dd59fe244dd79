"""Stretches of episodes from a replay buffer, ready for rewards and values."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from tianshou.data import ReplayBuffer
from torch import Tensor

from layeredrl.nets import Encoder
from layeredrl.nets.encoder import TensorObservation, map_observation
from layeredrl.predictors.replay_tensors import (
    gather_trajectories,
    info_array,
    observation_rows,
    tensor,
)
from layeredrl.predictors.sequence_window import SequenceWindow, sample_windows
from layeredrl.utils.partial_trajectories import draw_partial_trajectories
from layeredrl.utils.returns import n_step_returns, return_ends


class TrajectoryBatch(NamedTuple):
    """Stretches of episodes of T steps at most.

    Attributes:
        indices: Buffer positions, the last valid one repeated, (T, B).
        obs: Observations and the one after the last valid step, (B, T+1, O), or a dict.
        act: Action features, (B, T, A).
        rew: Rewards, (B, T).
        terminated: Whether the step ended the episode, (B, T).
        n_env_steps: Environment steps each step took, (B, T).
        planned: 1.0 where the action was planned, 0.0 where it was random, (B, T).
        validity_mask: 1.0 for valid steps, 0.0 beyond, (B, T).
        traj_len: Numbers of valid steps, (B,).
        window: The stretches with their past, for encoders with memory.
        is_whole: Whether stretches are everything that was done for one purpose, so that
            learners that bootstrap from later steps learn from every step.
        next_conditions: What could be asked for after the last valid step; values there
            are averaged over them, (B, n, C). ``None`` for what the last observation says.
    """

    indices: np.ndarray
    obs: TensorObservation
    act: Tensor
    rew: Tensor
    terminated: Tensor
    n_env_steps: Tensor
    planned: Tensor
    validity_mask: Tensor
    traj_len: Tensor
    window: SequenceWindow | None = None
    is_whole: bool = False
    next_conditions: Tensor | None = None

    def discounts(self, gamma: float, dtype: torch.dtype = torch.float64) -> Tensor:
        """Discount over each step, a step being a semi-MDP transition.

        Args:
            gamma: Discount per environment step.
            dtype: In float32 the rounding of ``gamma`` alone adds up over long returns.

        Returns:
            ``gamma`` to the number of environment steps, (B, T).
        """
        return gamma ** self.n_env_steps.to(dtype)

    def rows(self, rows: slice) -> "TrajectoryBatch":
        """Take some stretches, which have no windows; nothing is copied.

        Args:
            rows: Which ones.

        Returns:
            Those stretches.
        """
        assert self.window is None, "stretches share windows"
        return TrajectoryBatch(
            self.indices[:, rows],
            observation_rows(self.obs, rows),
            self.act[rows],
            self.rew[rows],
            self.terminated[rows],
            self.n_env_steps[rows],
            self.planned[rows],
            self.validity_mask[rows],
            self.traj_len[rows],
            is_whole=self.is_whole,
            next_conditions=(
                None if self.next_conditions is None else self.next_conditions[rows]
            ),
        )

    def first(self, n_steps: int) -> "TrajectoryBatch":
        """Cut the stretches short; nothing is copied.

        Args:
            n_steps: Their new length, at most T.

        Returns:
            The first steps of each.
        """
        if n_steps == self.rew.shape[1]:
            return self
        assert not self.is_whole and self.next_conditions is None, "whole ones stay so"
        return TrajectoryBatch(
            self.indices[:n_steps],
            map_observation(self.obs, lambda x: x[:, : n_steps + 1]),
            self.act[:, :n_steps],
            self.rew[:, :n_steps],
            self.terminated[:, :n_steps],
            self.n_env_steps[:, :n_steps],
            self.planned[:, :n_steps],
            self.validity_mask[:, :n_steps],
            self.traj_len.clamp(max=n_steps),
            self.window,
        )

    def encoded_by(self, encoder: Encoder) -> tuple[Tensor, Tensor]:
        """Encode the stretches, memory having seen their past.

        Args:
            encoder: The encoder for which the batch was sampled.

        Returns:
            Latent states (B, T+1, Z) and contexts (B, T+1, C); meaningless beyond
            position ``traj_len``.
        """
        if self.window is None:
            return encoder(self.obs)
        state, context = encoder.sequence(
            self.window.obs,
            self.window.prev_actions,
            self.window.prev_rewards,
            self.window.time_idxs,
            self.window.mask,
        )
        length = self.rew.shape[1] + 1
        stretch = self.window.stretch
        return stretch(state, length), stretch(context, length)


def sample_trajectory_batch(
    buffer: ReplayBuffer,
    batch_size: int,
    n_steps: int,
    encode_actions: Callable[[Tensor], Tensor],
    device: torch.device,
    max_seq_len: int | None = None,
    stretches_per_window: int = 1,
    end_flag: str | None = None,
) -> TrajectoryBatch:
    """Sample stretches that start at uniformly drawn transitions.

    Args:
        buffer: Where to sample.
        batch_size: Number of stretches B.
        n_steps: Their length T at most.
        encode_actions: Turns stored actions into features.
        device: Where the tensors go.
        max_seq_len: Longest sequence of observations that the encoder is shown, the past
            of a stretch included; ``None`` for encoders without memory.
        stretches_per_window: How many stretches share such a sequence (see
            :func:`~layeredrl.predictors.sequence_window.sample_windows`).
        end_flag: Entry of ``info`` that ends stretches where it is true, as the ends of
            episodes do; only for encoders without memory.

    Returns:
        The batch.

    Raises:
        EmptyBufferError: If the buffer is empty.
        ConfigurationError: If a stretch does not fit into ``max_seq_len``.
    """
    if max_seq_len is None:
        drawn = draw_partial_trajectories(buffer, batch_size, n_steps, end_flag)
        return trajectory_batch_at(buffer, *drawn, encode_actions, device)
    indices, valid, window = sample_windows(
        buffer,
        batch_size,
        n_steps,
        encode_actions,
        device,
        max_seq_len,
        stretches_per_window,
    )
    return trajectory_batch_at(buffer, indices, valid, encode_actions, device, window)


def trajectory_batch_at(
    buffer: ReplayBuffer,
    indices: np.ndarray,
    valid: np.ndarray,
    encode_actions: Callable[[Tensor], Tensor],
    device: torch.device,
    window: SequenceWindow | None = None,
) -> TrajectoryBatch:
    """Read stretches at given buffer positions.

    Args:
        buffer: Where they are stored.
        indices: Buffer positions (T, B), the last valid one repeated.
        valid: Numbers of valid steps (B,).
        encode_actions: Turns stored actions into features.
        device: Where the tensors go.
        window: The stretches with their past, for encoders with memory.

    Returns:
        The batch.
    """
    n_steps = len(indices)
    if window is None:
        obs = gather_trajectories(buffer, indices, valid, device)
    else:
        obs = window.stretch_of_observations(n_steps + 1)
    rows = np.ascontiguousarray(indices.T)  # (B, T)
    rew = tensor(buffer.rew[rows], device)
    n_env_steps = info_array(buffer, "n_env_steps", rows)
    random_mode = info_array(buffer, "random_mode", rows)
    traj_len = torch.from_numpy(valid).to(device)
    steps = torch.arange(n_steps, device=device)
    ones = torch.ones_like(rew)
    return TrajectoryBatch(
        indices=indices,
        obs=obs,
        act=encode_actions(tensor(buffer.act[rows], device)),
        rew=rew,
        terminated=tensor(buffer.terminated[rows], device),
        n_env_steps=ones if n_env_steps is None else tensor(n_env_steps, device),
        planned=(
            ones if random_mode is None else 1.0 - tensor(random_mode, device).float()
        ),
        validity_mask=(steps < traj_len.unsqueeze(1)).float(),
        traj_len=traj_len,
        window=window,
    )


def value_targets(
    batch: TrajectoryBatch,
    state: Tensor,
    context: Tensor,
    value: Callable[[Tensor, Tensor, Tensor], Tensor],
    k_steps: int,
    n_steps: int,
    gamma: float,
) -> Tensor:
    """N-step returns of the first k steps, bootstrapped by a value function.

    A return bootstraps from the state n steps on, or from the successor of the last
    stored transition where the episode was truncated or is unfinished, and from nothing
    where it terminated. A value that depends on the action gets the one taken there, or
    where none is stored the last one.

    Args:
        batch: The stretches, with T >= k_steps + n_steps - 1.
        state: Their latent states (B, T+1, Z).
        context: Their contexts (B, C).
        value: Value of (state, context, action).
        k_steps: Steps with a target.
        n_steps: Rewards per target.
        gamma: Discount per environment step.

    Returns:
        Targets (B, k_steps); 0 at steps that are not valid.
    """
    end = return_ends(batch.traj_len, k_steps, n_steps)
    rows = torch.arange(len(end), device=end.device).unsqueeze(1)
    last = (batch.traj_len - 1).unsqueeze(1)
    action = batch.act[rows, torch.minimum(end, last)]
    context = context.unsqueeze(1).expand(-1, k_steps, -1)
    bootstrap = value(state[rows, end], context, action)
    bootstrap = bootstrap.masked_fill(batch.terminated[rows, end - 1].bool(), 0.0)
    return n_step_returns(
        batch.rew, batch.discounts(gamma), bootstrap, batch.traj_len, n_steps
    )
