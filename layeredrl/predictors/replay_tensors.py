"""From a replay buffer's arrays to tensors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from tianshou.data import Batch, ReplayBuffer
from torch import Tensor

from layeredrl.errors import ConfigurationError
from layeredrl.nets.encoder import TensorObservation, map_observation
from layeredrl.utils.buffers import TransitionBuffer

ArrayObservation = np.ndarray | dict[str, np.ndarray]


def tensor(array: np.ndarray, device: torch.device) -> Tensor:
    """Move an array to a device; float64 becomes float32.

    Args:
        array: Any numeric array.
        device: Where to put it.

    Returns:
        The tensor; on the CPU it may share the array's memory.
    """
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def successors(buffer: ReplayBuffer) -> np.ndarray | Batch:
    """Find a buffer's next observations.

    Args:
        buffer: Where they are stored.

    Returns:
        ``buffer.obs_next``; without images, if those are stored once.

    Raises:
        ConfigurationError: If the buffer does not store them.
    """
    try:
        return buffer.obs_next
    except AttributeError as error:
        raise ConfigurationError(
            "the replay buffer stores no next observations (ignore_obs_next?); without "
            "them the last state of an episode is unknown"
        ) from error


def as_batch(fields: Mapping[str, Any]) -> Batch:
    """Make a batch of tensors as they are, without Tianshou's conversions and copies.

    Args:
        fields: Tensors, arrays, or dicts of such, by name.

    Returns:
        The batch; dicts become batches.
    """
    batch = Batch()
    for name, value in fields.items():
        nested = isinstance(value, Mapping)
        batch.__dict__[name] = as_batch(value) if nested else value
    return batch


def as_observation(obs: Tensor | Batch) -> TensorObservation:
    """Turn observations of a batch into what encoders take.

    Args:
        obs: A tensor, or a batch where images stay apart.

    Returns:
        The tensor, or a dict.
    """
    return dict(obs.items()) if isinstance(obs, Batch) else obs


def observation_rows(obs: TensorObservation, rows: slice) -> TensorObservation:
    """Take some rows of observations; nothing is copied.

    Args:
        obs: Observations (B, ...), or a dict of such.
        rows: Which ones.

    Returns:
        Those rows.
    """
    return map_observation(obs, lambda x: x[rows])


def gather(stored: np.ndarray | Batch, indices: np.ndarray) -> ArrayObservation:
    """Read observations at buffer positions.

    Args:
        stored: ``buffer.obs`` or ``buffer.obs_next``; a batch where images stay apart.
        indices: Buffer positions of any shape.

    Returns:
        Arrays of shape (*indices.shape, ...).
    """
    if isinstance(stored, Batch):
        return {key: value.take(indices, axis=0) for key, value in stored.items()}
    # Several times faster than stored[indices] for short rows.
    return stored.take(indices, axis=0)


def gather_successors(buffer: ReplayBuffer, indices: np.ndarray) -> ArrayObservation:
    """Read the observations that followed transitions.

    Args:
        buffer: Where they are stored.
        indices: Buffer positions of any shape.

    Returns:
        Arrays of shape (*indices.shape, ...): the true successors, also at the ends of
        episodes.

    Raises:
        ConfigurationError: If the buffer does not store them.
    """
    found = gather(successors(buffer), indices)
    if isinstance(found, dict) and isinstance(buffer, TransitionBuffer):
        found |= buffer.successor_frames(indices)
    return found


def gather_trajectories(
    buffer: ReplayBuffer,
    indices: np.ndarray,
    traj_len: np.ndarray,
    device: torch.device,
) -> TensorObservation:
    """Read the observations of stretches of episodes with the one that follows.

    Args:
        buffer: Where they are stored.
        indices: Buffer positions (T, B) as drawn, the last valid one repeated.
        traj_len: Numbers of valid steps (B,).
        device: Where the tensors go.

    Returns:
        Observations (B, T+1, O), or a dict of such; from position ``traj_len`` on the
        successor of the last valid transition, so never one of another episode.
    """
    obs = gather(buffer.obs, indices)
    final = gather_successors(buffer, indices[-1])
    ended = np.arange(len(indices) + 1)[:, None] >= traj_len
    if isinstance(obs, dict):
        assert isinstance(final, dict)
        return {
            key: tensor(_extended(obs[key], final[key], ended), device) for key in obs
        }
    assert not isinstance(final, dict)
    return tensor(_extended(obs, final, ended), device)


def _extended(obs: np.ndarray, final: np.ndarray, ended: np.ndarray) -> np.ndarray:
    """Stack (T, B, ...) and the successor, batch first."""
    extended = np.concatenate([obs, final[None]])
    where = ended.reshape(ended.shape + (1,) * (obs.ndim - 2))
    np.copyto(extended, final, where=where)
    return extended.swapaxes(0, 1)


def observation_tensors(
    obs: ArrayObservation, device: torch.device
) -> TensorObservation:
    """Move observations to a device.

    Args:
        obs: What was gathered: an array (B, ...), or a dict of such.
        device: Where the tensors go.

    Returns:
        Tensors of the same shapes.
    """
    if isinstance(obs, dict):
        return {key: tensor(value, device) for key, value in obs.items()}
    return tensor(obs, device)


def info_array(
    buffer: ReplayBuffer, key: str, indices: np.ndarray
) -> np.ndarray | None:
    """Read an entry of the transitions' info.

    Args:
        buffer: Where they are stored.
        key: Name of the entry.
        indices: Buffer positions of any shape.

    Returns:
        Array of shape (*indices.shape, ...), or ``None`` if nothing is stored under it.
    """
    info = buffer.info
    if not isinstance(info, Batch) or key not in info.get_keys():
        return None
    return np.asarray(info[key][indices])
