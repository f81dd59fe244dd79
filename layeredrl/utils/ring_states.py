"""Where the rings of a vector replay buffer stand, as plain values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tianshou.data import ReplayBufferManager


def ring_states(buffer: ReplayBufferManager) -> list[dict[str, Any]]:
    """Copy what rings know beside their transitions.

    Args:
        buffer: Whose rings.

    Returns:
        For each ring where it writes next, how much it holds, and how its running
        episode stands.
    """
    return [
        {
            "insertion_index": int(ring._insertion_idx),
            "size": int(ring._size),
            "last_index": int(ring.last_index[0]),
            "episode_return": float(ring._ep_return),
            "episode_length": int(ring._ep_len),
            "episode_start": int(ring._ep_start_idx),
        }
        for ring in buffer.buffers
    ]


def set_ring_states(
    buffer: ReplayBufferManager, states: Sequence[Mapping[str, Any]]
) -> None:
    """Restore what :func:`ring_states` returned.

    Args:
        buffer: With as many rings.
        states: Their states.
    """
    for i, (ring, where) in enumerate(zip(buffer.buffers, states, strict=True)):
        ring._insertion_idx, ring._size = where["insertion_index"], where["size"]
        ring.last_index = np.array([where["last_index"]])
        ring._ep_return = where["episode_return"]
        ring._ep_len = where["episode_length"]
        ring._ep_start_idx = where["episode_start"]
        buffer._lengths[i] = where["size"]
        buffer.last_index[i] = where["last_index"] + buffer._offset[i]
