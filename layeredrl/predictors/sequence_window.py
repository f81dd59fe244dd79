"""Sequences for encoders with memory: the past of what is learned from, then that."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from tianshou.data import ReplayBuffer
from torch import Tensor

from layeredrl.errors import ConfigurationError
from layeredrl.nets.encoder import TensorObservation, map_observation
from layeredrl.predictors.replay_tensors import (
    gather_trajectories,
    info_array,
    tensor,
)
from layeredrl.utils.buffer_history import steps_before
from layeredrl.utils.buffers import generator_of
from layeredrl.utils.partial_trajectories import draw_partial_trajectories

WHOLE_WINDOWS = 0
"""Instead of a number of stretches per window: all of every window is learned from."""


class SequenceWindow(NamedTuple):
    """What an encoder is shown: W sequences of L observations at most.

    A window begins with its episode where that fits, else as far back as it can, so that
    memory has a past to build on (burn-in). Windows start at the left; what remains at
    the right is invalid. Several stretches may lie in the same window, so that one pass
    of the encoder serves them all.

    Attributes:
        obs: Observations, (W, L, O), or a dict of such.
        prev_actions: Action features before each, 0 at an episode's start, (W, L, A).
        prev_rewards: Rewards of those actions, (W, L).
        prev_indices: Buffer positions of those transitions, -1 for none, (W, L).
        time_idxs: Decisions since the episode began, (W, L) int64.
        mask: Which steps are valid, (W, L) bool.
        row: In which window each of the B stretches lies, (B,) int64.
        first: Where it begins there, (B,) int64.
    """

    obs: TensorObservation
    prev_actions: Tensor
    prev_rewards: Tensor
    prev_indices: np.ndarray
    time_idxs: Tensor
    mask: Tensor
    row: Tensor
    first: Tensor

    def stretch(self, x: Tensor, n_steps: int) -> Tensor:
        """Cut the stretches that are learned from out of whole windows.

        Args:
            x: Something per step, (W, L, ...).
            n_steps: Length of the stretches.

        Returns:
            The same of their steps, (B, n_steps, ...).
        """
        steps = self.first.unsqueeze(1) + torch.arange(n_steps, device=x.device)
        steps = steps.clamp(max=x.shape[1] - 1)  # beyond the valid ones anything goes
        return x[self.row.unsqueeze(1), steps]

    def stretch_of_observations(self, n_steps: int) -> TensorObservation:
        """Cut the observations of the stretches out of the windows.

        Args:
            n_steps: Length of the stretches.

        Returns:
            Observations (B, n_steps, O), or a dict of such.
        """
        return map_observation(self.obs, lambda x: self.stretch(x, n_steps))


class _Paths(NamedTuple):
    """Where windows lie in the buffer; W of them."""

    path: np.ndarray
    """Buffer positions of their transitions, the last valid one repeated, (L - 1, W)."""
    before: np.ndarray
    """Buffer position of the transition before each, if it is known, (W,)."""
    is_known: np.ndarray
    """Whether there is one, (W,) bool."""
    lowest: np.ndarray
    """First place where a stretch may begin, (W,)."""
    highest: np.ndarray
    """Last place where one may begin, (W,)."""
    anchor: np.ndarray
    """Place of the transition that was drawn, (W,)."""
    length: np.ndarray
    """Numbers of transitions, (W,)."""


def check_stretch(n_steps: int, max_seq_len: int) -> None:
    """Check that stretches fit into windows.

    Args:
        n_steps: Their length.
        max_seq_len: Longest window.

    Raises:
        ConfigurationError: If they do not.
    """
    if n_steps >= max_seq_len:
        raise ConfigurationError(
            f"stretches of {n_steps} steps (k_steps + n_steps) and their last "
            f"successor do not fit into the encoder's max_seq_len of {max_seq_len}"
        )


def sample_windows(
    buffer: ReplayBuffer,
    batch_size: int,
    n_steps: int,
    encode_actions: Callable[[Tensor], Tensor],
    device: torch.device,
    max_seq_len: int,
    stretches_per_window: int = 1,
) -> tuple[np.ndarray, np.ndarray, SequenceWindow]:
    """Draw stretches of episodes together with what came before.

    Where the buffer does not hold ``info.time_idx``, time counts from the window's start.

    Args:
        buffer: Where they are stored.
        batch_size: Number of stretches B.
        n_steps: Their length T at most.
        encode_actions: Turns stored actions into features.
        device: Where the tensors go.
        max_seq_len: Longest window.
        stretches_per_window: How many stretches lie in a window. The first one begins at
            a uniformly drawn transition, the others anywhere in the same episode if all
            of it fits (which again is uniform), else after the first half of the window.
            With :data:`WHOLE_WINDOWS` windows are of ``n_steps`` transitions, laid at
            random around uniformly drawn ones, and are the stretches themselves.

    Returns:
        Buffer positions of the stretches (T, B), the last valid one repeated; numbers of
        their valid steps (B,); and the windows.

    Raises:
        EmptyBufferError: If the buffer is empty.
        ConfigurationError: If the stretches do not fit into a window, or a size is not
            positive.
    """
    check_stretch(n_steps, max_seq_len)
    if stretches_per_window == WHOLE_WINDOWS:
        paths = _draw_whole_paths(buffer, batch_size, n_steps)
        row, first = np.arange(batch_size), np.zeros(batch_size, np.int64)
    else:
        n_windows = -(-batch_size // stretches_per_window)
        alone = stretches_per_window == 1
        paths = _draw_paths(buffer, n_windows, n_steps, max_seq_len - 1, alone)
        shares = generator_of(buffer).random((stretches_per_window - 1, n_windows))
        drawn = paths.lowest + shares * (paths.highest - paths.lowest + 1)
        starts = np.concatenate([paths.anchor[None], drawn.astype(np.int64)])
        row = np.repeat(np.arange(n_windows), stretches_per_window)[:batch_size]
        first = starts.T.ravel()[:batch_size]
    valid = np.minimum(n_steps, paths.length[row] - first)
    steps = first + np.minimum(np.arange(n_steps)[:, None], valid - 1)
    length = np.zeros(len(paths.length), np.int64)  # as far as anything is learned from
    np.maximum.at(length, row, first + valid)
    window = SequenceWindow(
        *_shown(buffer, paths, length, encode_actions, device),
        row=tensor(row, device),
        first=tensor(first, device),
    )
    return paths.path[steps, row], valid, window


def _draw_paths(
    buffer: ReplayBuffer, n_windows: int, n_steps: int, limit: int, alone: bool
) -> _Paths:
    """Draw transitions, and take as much around each as fits and is of use."""
    ahead, n_ahead = draw_partial_trajectories(buffer, n_windows, limit)
    past, n_before = steps_before(buffer, ahead[0], limit)
    fits = n_before + n_ahead <= limit
    needed = np.minimum(n_ahead, n_steps)
    room = limit - needed if alone else np.minimum(limit // 2, limit - needed)
    anchor = np.where(fits, n_before, np.minimum(n_before, room))
    path, length = _joined(past, ahead, anchor, n_ahead)
    return _Paths(
        path=path,
        before=past[np.minimum(anchor, limit - 1), np.arange(n_windows)],
        is_known=n_before > anchor,
        lowest=np.where(fits, 0, anchor),
        highest=np.where(fits, length - 1, np.maximum(anchor, length - n_steps)),
        anchor=anchor,
        length=length,
    )


def _draw_whole_paths(buffer: ReplayBuffer, n_windows: int, limit: int) -> _Paths:
    """Draw transitions, and lay windows around them that are as long as they can be."""
    ahead, n_ahead = draw_partial_trajectories(buffer, n_windows, limit)
    past, n_before = steps_before(buffer, ahead[0], limit)
    # Were drawn ones always the first, a window at its episode's start would be rare.
    shares = generator_of(buffer).random(n_windows)
    anchor = np.maximum((shares * limit).astype(np.int64), limit - n_ahead)
    anchor = np.minimum(anchor, n_before)
    path, length = _joined(past, ahead, anchor, n_ahead)
    return _Paths(
        path=path,
        before=past[np.minimum(anchor, limit - 1), np.arange(n_windows)],
        is_known=n_before > anchor,
        lowest=np.zeros_like(anchor),
        highest=np.zeros_like(anchor),
        anchor=anchor,
        length=length,
    )


def _joined(
    past: np.ndarray, ahead: np.ndarray, anchor: np.ndarray, n_ahead: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Put windows together that have ``anchor`` transitions before the drawn one.

    Returns:
        Buffer positions (L - 1, W), the last valid one repeated; and lengths (W,).
    """
    length = np.minimum(anchor + n_ahead, len(ahead))
    n_past = int(anchor.max())
    # Oldest first, then on from the drawn one, then its last position again and again.
    whole = np.concatenate(
        [past[:n_past][::-1], ahead, np.repeat(ahead[-1:], n_past, axis=0)]
    )
    steps = np.arange(int(length.max()))[:, None]
    steps = np.minimum(steps, length - 1) + (n_past - anchor)
    return np.take_along_axis(whole, steps, axis=0), length


def _shown(
    buffer: ReplayBuffer,
    paths: _Paths,
    length: np.ndarray,
    encode_actions: Callable[[Tensor], Tensor],
    device: torch.device,
) -> tuple[TensorObservation, Tensor, Tensor, np.ndarray, Tensor, Tensor]:
    """Read what the encoder is shown."""
    steps = np.minimum(np.arange(int(length.max()))[:, None], length - 1)
    path = np.take_along_axis(paths.path, steps, axis=0)
    prev = np.concatenate([paths.before[None], path]).T  # (W, L)
    is_known = np.ones(prev.shape, bool)
    is_known[:, 0] = paths.is_known
    known = tensor(is_known, device)
    return (
        gather_trajectories(buffer, path, length, device),
        encode_actions(tensor(buffer.act[prev], device)) * known.unsqueeze(-1),
        tensor(buffer.rew[prev], device) * known,
        np.where(is_known, prev, -1),
        tensor(_time_idxs(buffer, path[0], prev.shape[1]), device),
        tensor(np.arange(prev.shape[1]) <= length[:, None], device),
    )


def _time_idxs(buffer: ReplayBuffer, starts: np.ndarray, length: int) -> np.ndarray:
    steps = np.arange(length)
    start = info_array(buffer, "time_idx", starts)
    if start is None:
        return np.tile(steps, (len(starts), 1))
    return start.astype(np.int64)[:, None] + steps
