"""Which episodes a buffer holds, found without the code that is tested."""

import numpy as np

# How full rings of 15 transitions are: not yet, exactly, wrapped, wrapped many times.
FILLS = (1, 7, 15, 22, 100)
TOLD = slice(0, 3)  # columns of a Filler's observations: ring, episode, time


def stored_positions(buffer):
    """All positions that hold something."""
    rings = getattr(buffer, "buffers", [buffer])
    offsets = getattr(buffer, "_offset", [0])
    found = [o + np.arange(len(r)) for o, r in zip(offsets, rings, strict=True)]
    return np.concatenate(found)


def told_places(buffer):
    """Where is stored what tells of a (ring, episode, time)."""
    return {tuple(buffer.obs[i][TOLD]): int(i) for i in stored_positions(buffer)}


def episode_from(buffer, index):
    """Buffer positions from one on to its episode's last stored transition."""
    path = [int(index)]
    while True:
        following = int(buffer.next(np.array([path[-1]]))[0])
        if following == path[-1]:
            return path
        path.append(following)
