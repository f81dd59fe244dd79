"""Sequences for encoders with memory: the past of what is learned from, then that."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from tianshou.data import ReplayBuffer
from torch import Tensor

from layeredrl.errors import ConfigurationError
from layeredrl.nets.encoder import TensorObservation
from layeredrl.predictors.replay_tensors import (
    gather_trajectories,
    info_array,
    observation_rows,
    tensor,
)
from layeredrl.utils.buffer_history import steps_before


class SequenceWindow(NamedTuple):
    """What an encoder is shown, L observations at most.

    A window begins with its episode where that fits, else as far back as it can, so that
    memory has a past to build on (burn-in). Windows start at the left; what remains at
    the right is invalid.

    Attributes:
        obs: Observations, (B, L, O), or a dict of such.
        prev_actions: Action features before each, 0 at an episode's start, (B, L, A).
        prev_rewards: Rewards of those actions, (B, L).
        time_idxs: Decisions since the episode began, (B, L) int64.
        mask: Which steps are valid, (B, L) bool.
        first: Where the stretch begins that is learned from, (B,) int64.
    """

    obs: TensorObservation
    prev_actions: Tensor
    prev_rewards: Tensor
    time_idxs: Tensor
    mask: Tensor
    first: Tensor

    def rows(self, rows: slice) -> "SequenceWindow":
        """Take some windows; nothing is copied.

        Args:
            rows: Which ones.

        Returns:
            Those windows.
        """
        return SequenceWindow(
            observation_rows(self.obs, rows), *(field[rows] for field in self[1:])
        )

    def stretch(self, x: Tensor, n_steps: int) -> Tensor:
        """Cut the stretch that is learned from out of whole windows.

        Args:
            x: Something per step, (B, L, ...).
            n_steps: Length of the stretch.

        Returns:
            The same of its steps, (B, n_steps, ...).
        """
        steps = self.first.unsqueeze(1) + torch.arange(n_steps, device=x.device)
        steps = steps.clamp(max=x.shape[1] - 1)  # beyond the valid ones anything goes
        return x[torch.arange(len(x), device=x.device).unsqueeze(1), steps]

    def stretch_of_observations(self, n_steps: int) -> TensorObservation:
        """Cut the observations of the stretch out of the windows.

        Args:
            n_steps: Length of the stretch.

        Returns:
            Observations (B, n_steps, O), or a dict of such.
        """
        if isinstance(self.obs, dict):
            return {k: self.stretch(x, n_steps) for k, x in self.obs.items()}
        return self.stretch(self.obs, n_steps)


def sample_window(
    buffer: ReplayBuffer,
    indices: np.ndarray,
    valid: np.ndarray,
    max_seq_len: int,
    encode_actions: Callable[[Tensor], Tensor],
    device: torch.device,
) -> SequenceWindow:
    """Read stretches of episodes together with what came before.

    Where the buffer does not hold ``info.time_idx``, time counts from the window's start.

    Args:
        buffer: Where they are stored.
        indices: Buffer positions of the stretches (T, B), the last valid one repeated.
        valid: Numbers of their valid steps (B,).
        max_seq_len: Longest window.
        encode_actions: Turns stored actions into features.
        device: Where the tensors go.

    Returns:
        The windows; L is the longest among them, at most ``max_seq_len``.

    Raises:
        ConfigurationError: If the stretches do not fit into a window.
    """
    if len(indices) + 1 > max_seq_len:
        raise ConfigurationError(
            f"stretches of {len(indices)} steps (k_steps + n_steps) and their last "
            f"successor do not fit into the encoder's max_seq_len of {max_seq_len}"
        )
    n_past = max_seq_len - 1 - valid  # the fewer steps remain, the more past fits
    past, n_before = steps_before(buffer, indices[0], int(n_past.max()) + 1)
    first = np.minimum(n_before, n_past)
    length = first + valid
    path = _aligned(indices, past, first)[: length.max()]
    rows = np.ascontiguousarray(path.T)  # (B, L - 1)
    shown = rows.shape[1] + 1
    before = past[first, np.arange(len(first))]  # the step before the window, if any
    is_known = n_before > n_past
    prev = np.concatenate([before[:, None], rows], axis=1)
    known = tensor(
        np.concatenate([is_known[:, None], np.ones_like(rows, bool)], axis=1), device
    )
    return SequenceWindow(
        obs=gather_trajectories(buffer, path, length, device),
        prev_actions=encode_actions(tensor(buffer.act[prev], device))
        * known.unsqueeze(-1),
        prev_rewards=tensor(buffer.rew[prev], device) * known,
        time_idxs=tensor(_time_idxs(buffer, rows, shown), device),
        mask=tensor(np.arange(shown) <= length[:, None], device),
        first=tensor(first, device),
    )


def _aligned(indices: np.ndarray, past: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Put past and stretch into one path that starts at the left."""
    n_past = int(first.max())
    # Oldest first, then the stretch, whose last position goes on to the end.
    whole = np.concatenate(
        [past[:n_past][::-1], indices, np.repeat(indices[-1:], n_past, axis=0)]
    )
    steps = np.arange(n_past + len(indices))[:, None] + (n_past - first)
    return np.take_along_axis(whole, steps, axis=0)


def _time_idxs(buffer: ReplayBuffer, rows: np.ndarray, length: int) -> np.ndarray:
    steps = np.arange(length)
    start = info_array(buffer, "time_idx", rows[:, 0])
    if start is None:
        return np.tile(steps, (len(rows), 1))
    return start.astype(np.int64)[:, None] + steps
