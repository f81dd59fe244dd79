"""Stretches of stored episodes, drawn at random."""

import numpy as np
from tianshou.data import ReplayBuffer

from layeredrl.errors import ConfigurationError, EmptyBufferError
from layeredrl.utils.buffers import generator_of, ring_bounds
from layeredrl.utils.stretch_ends import ends_stretch


def draw_transitions(
    buffer: ReplayBuffer, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw stored transitions uniformly and independently.

    Args:
        buffer: Where to draw from.
        size: Number of draws B, with replacement.

    Returns:
        Positions within their rings, (B,); the rings' first buffer positions, (B,);
        which ring, (B,).

    Raises:
        EmptyBufferError: If the buffer holds no transition.
        ConfigurationError: If ``size`` is not positive.
    """
    if size < 1:
        raise ConfigurationError(f"a batch needs at least one row, got {size}")
    offsets, lengths = ring_bounds(buffer)
    ends = np.cumsum(lengths)
    if ends[-1] == 0:
        raise EmptyBufferError(
            "the replay buffer holds no transition yet, so nothing can be sampled"
        )
    drawn = generator_of(buffer).integers(ends[-1], size=size)
    ring = np.searchsorted(ends, drawn, side="right")
    return drawn - (ends - lengths)[ring], offsets[ring], ring


def draw_partial_trajectories(
    buffer: ReplayBuffer, size: int, n_steps: int, end_flag: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw stretches of episodes that start at uniformly drawn transitions.

    Args:
        buffer: Where to draw from.
        size: Number of stretches B.
        n_steps: Their length T at most.
        end_flag: Entry of ``info`` that ends stretches where it is true, if it is stored.

    Returns:
        Buffer positions (T, B), the last valid one repeated beyond the end of the
        episode or the newest stored transition; numbers of valid steps (B,).

    Raises:
        EmptyBufferError: If the buffer holds no transition.
        ConfigurationError: If ``size`` or ``n_steps`` is not positive.
    """
    if n_steps < 1:
        raise ConfigurationError(f"a trajectory needs at least one step, got {n_steps}")
    return stretches_from(buffer, *draw_transitions(buffer, size), n_steps, end_flag)


def stretches_from(
    buffer: ReplayBuffer,
    start: np.ndarray,
    offset: np.ndarray,
    ring: np.ndarray,
    n_steps: int,
    end_flag: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the stretches of episodes that start at given transitions.

    Args:
        buffer: Where they are stored.
        start: Positions of the transitions within their rings, (B,).
        offset: The rings' first buffer positions, (B,).
        ring: Which ring, (B,).
        n_steps: Length T of the stretches at most.
        end_flag: Entry of ``info`` that ends stretches where it is true, if it is stored.

    Returns:
        Buffer positions (T, B), the last valid one repeated; numbers of valid steps (B,).
    """
    length = ring_bounds(buffer)[1][ring]
    positions = start + np.arange(n_steps)[:, None]
    np.subtract(positions, length, out=positions, where=positions >= length)
    positions %= length  # only stretches longer than their ring still need it
    positions += offset
    is_end = ends_stretch(buffer, positions, ring, end_flag)
    is_end[-1] = True
    valid = is_end.argmax(0) + 1
    last = positions[valid - 1, np.arange(len(start))]
    beyond = np.arange(n_steps)[:, None] >= valid
    np.copyto(positions, last, where=beyond)
    return positions, valid
