"""What came before stored transitions in their episodes."""

import numpy as np
from tianshou.data import ReplayBuffer

from layeredrl.utils.buffers import ring_bounds
from layeredrl.utils.stretch_ends import ends_stretch


def steps_before(
    buffer: ReplayBuffer,
    positions: np.ndarray,
    n_steps: int,
    end_flag: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the transitions before some, as far as their episodes and the buffer reach.

    Args:
        buffer: Where they are stored.
        positions: Buffer positions of stored transitions (B,).
        n_steps: How far to go back at most.
        end_flag: Entry of ``info`` that ends stretches where it is true, if it is stored.

    Returns:
        Buffer positions (n_steps, B), row i of them i + 1 steps before, the earliest
        repeated where there are no more (the given position where there is none at all);
        and how many there are, (B,) in 0 .. n_steps.
    """
    offsets, lengths = ring_bounds(buffer)
    ring = np.searchsorted(offsets, positions, side="right") - 1
    offset, length = offsets[ring], lengths[ring]
    steps = np.arange(1, n_steps + 1)[:, None]
    before = (positions - offset - steps) % length + offset
    # The step before the oldest one wraps around to the newest.
    is_other = ends_stretch(buffer, before, ring, end_flag)
    is_other = np.concatenate([is_other, np.ones((1, len(positions)), bool)])
    count = is_other.argmax(0)
    path = np.concatenate([positions[None], before])
    earliest = path[count, np.arange(len(positions))]
    np.copyto(before, earliest, where=steps > count)
    return before, count
