"""What was stored since a buffer was last learned from."""

import numpy as np

from layeredrl.errors import ConfigurationError
from layeredrl.utils.buffers import TransitionBuffer, ring_bounds
from layeredrl.utils.stretch_ends import ends_stretch


def fresh_stretches(
    buffer: TransitionBuffer, n_added_before: np.ndarray, end_flag: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the stretches of episodes that new transitions make up.

    Args:
        buffer: Where they are stored.
        n_added_before: Transitions that had been added to each ring before the first new
            one, (rings,).
        end_flag: Entry of ``info`` that ends stretches where it is true, if it is stored.

    Returns:
        Buffer positions (T, B), T the longest stretch, the last valid one repeated;
        numbers of valid steps (B,). Every new transition is in one stretch.

    Raises:
        ConfigurationError: If there is nothing new, or new transitions have been
            overwritten already.
    """
    offsets, lengths = ring_bounds(buffer)
    n_new = buffer.n_added - n_added_before
    if n_new.max() == 0 or (n_new > lengths).any():
        raise ConfigurationError(
            "fresh experience must be there and fit into the buffer; new transitions per "
            f"instance: {n_new.tolist()}, places: {lengths.tolist()}"
        )
    ring = np.repeat(np.arange(len(n_new)), n_new)
    first = np.repeat(np.cumsum(n_new) - n_new, n_new)
    age = n_new[ring] - 1 - (np.arange(len(ring)) - first)  # 0 is the newest
    newest = np.asarray(buffer.last_index)[ring] - offsets[ring]
    positions = (newest - age) % lengths[ring] + offsets[ring]
    ends = np.flatnonzero(ends_stretch(buffer, positions, ring, end_flag))
    starts = np.concatenate([[0], ends[:-1] + 1])
    valid = ends - starts + 1
    steps = np.minimum(np.arange(valid.max())[:, None], valid - 1)
    return positions[starts + steps], valid
