"""Where the episodes of stored transitions end."""

import numpy as np
from tianshou.data import ReplayBuffer

from layeredrl.utils.buffers import generator_of, ring_bounds


def episode_ends(buffer: ReplayBuffer, positions: np.ndarray) -> np.ndarray:
    """Find the last stored transitions of episodes.

    Args:
        buffer: Where they are stored.
        positions: Buffer positions of stored transitions, of any shape.

    Returns:
        Buffer positions of the same shape: of the last transition of the same episode, or
        of the newest one where the episode is unfinished.
    """
    offset, length = _rings_of(buffer, positions)
    is_end = np.array(buffer.done, dtype=bool)
    is_end[np.asarray(buffer.last_index)] = True
    ends = np.flatnonzero(is_end)
    following = np.searchsorted(ends, positions)
    found = ends[np.minimum(following, len(ends) - 1)]
    # Only a ring that has been filled goes on at its beginning; where it ends there, the
    # newest transition lies there too, so that there is an end to be found.
    is_beyond = (found < positions) | (found >= offset + length)
    return np.where(is_beyond, ends[np.searchsorted(ends, offset)], found)


def draw_until_episode_ends(buffer: ReplayBuffer, positions: np.ndarray) -> np.ndarray:
    """Draw transitions between some and the ends of their episodes, both included.

    Args:
        buffer: Where they are stored; its generator draws.
        positions: Buffer positions of stored transitions, of any shape.

    Returns:
        Buffer positions of the same shape, each drawn uniformly and independently.
    """
    offset, length = _rings_of(buffer, positions)
    ahead = (episode_ends(buffer, positions) - positions) % length
    drawn = positions + generator_of(buffer).integers(ahead + 1)
    return np.where(drawn >= offset + length, drawn - length, drawn)


def _rings_of(
    buffer: ReplayBuffer, positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the first positions and the lengths of the rings that hold transitions."""
    offsets, lengths = ring_bounds(buffer)
    ring = np.searchsorted(offsets, positions, side="right") - 1
    return offsets[ring], lengths[ring]
