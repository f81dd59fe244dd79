"""Everything that was done for one purpose, from its beginning."""

import numpy as np
from tianshou.data import ReplayBuffer

from layeredrl.utils.buffer_history import steps_before
from layeredrl.utils.buffers import ring_bounds
from layeredrl.utils.partial_trajectories import draw_transitions, stretches_from


def draw_whole_stretches(
    buffer: ReplayBuffer, size: int, n_steps: int, end_flag: str
) -> tuple[np.ndarray, np.ndarray]:
    """Draw stretches from one flagged transition to the next, by drawing a step of them.

    So a stretch is as likely as it is long.

    Args:
        buffer: Where to draw from.
        size: Number of stretches B.
        n_steps: Their length T at most.
        end_flag: Entry of ``info`` that is true where a stretch ends.

    Returns:
        Buffer positions (T, B), the last valid one repeated beyond the flagged transition,
        the end of the episode or the newest stored transition; numbers of valid steps
        (B,). Where the first steps have been overwritten, a stretch begins later.

    Raises:
        EmptyBufferError: If the buffer holds no transition.
        ConfigurationError: If ``size`` is not positive.
    """
    drawn, offset, ring = draw_transitions(buffer, size)
    _, n_before = steps_before(buffer, drawn + offset, n_steps - 1, end_flag)
    start = (drawn - n_before) % ring_bounds(buffer)[1][ring]
    return stretches_from(buffer, start, offset, ring, n_steps, end_flag)
