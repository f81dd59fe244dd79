"""Where stretches of stored episodes end."""

import numpy as np
from tianshou.data import ReplayBuffer


def ends_stretch(
    buffer: ReplayBuffer,
    positions: np.ndarray,
    ring: np.ndarray,
    end_flag: str | None = None,
) -> np.ndarray:
    """Tell which transitions nothing follows that belongs to them.

    Args:
        buffer: Where they are stored.
        positions: Buffer positions of stored transitions (..., B).
        ring: Which rings these are in, (B,).
        end_flag: Entry of ``info`` that ends stretches where it is true, if it is stored.

    Returns:
        Whether each is the last one of its episode or the newest one of its ring, or is
        flagged, (..., B) bool.
    """
    is_end = buffer.done[positions]
    is_end |= positions == np.asarray(buffer.last_index)[ring]
    if end_flag is not None and end_flag in buffer.info.get_keys():
        is_end |= buffer.info[end_flag][positions]
    return is_end
