"""What followed transitions, where the next stored transition does not tell.

A ring of transitions holds each image once: the one after a transition is the one of the
next transition. At the ends of episodes and of stored stretches it is another one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from tianshou.data import Batch

from layeredrl.errors import ObservationError
from layeredrl.utils.checkpoints import to_array

Frames = dict[str, np.ndarray]


class FinalFrames:
    """Images kept for single positions of a replay buffer.

    They lie together, in rows that are used again, so that memory is taken for as many as
    are kept at a time.
    """

    def __init__(self, n_positions: int):
        """Keep nothing yet.

        Args:
            n_positions: Positions in the buffer, N.
        """
        # Which row holds a position's images; row 0 stays unused, 0 means none. Zeros cost
        # no memory until they are written to.
        self._rows = np.zeros(n_positions, np.int32)
        self._images: Frames = {}
        self._free: list[int] = []

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the images; empty until some were kept."""
        return tuple(self._images)

    @property
    def nbytes(self) -> int:
        """Memory taken by images, in bytes."""
        return sum(images.nbytes for images in self._images.values())

    def put(self, positions: np.ndarray, frames: Frames) -> None:
        """Keep images, instead of what was kept for these positions before.

        Args:
            positions: Where, (B,) int64, each at most once.
            frames: Images (B, ...) by name.
        """
        self.drop(positions)
        self._make_room(len(positions), frames)
        first = len(self._free) - len(positions)
        rows = self._free[first:]
        del self._free[first:]
        self._rows[positions] = rows
        for key, images in frames.items():
            self._images[key][rows] = images

    def drop(self, positions: np.ndarray) -> None:
        """Keep nothing for some positions.

        Args:
            positions: Which, (B,) int64.
        """
        rows = self._rows[positions]
        self._free.extend(rows[rows > 0].tolist())
        self._rows[positions] = 0

    def drop_repeated(self, positions: np.ndarray, frames: Frames) -> None:
        """Drop images that are stored elsewhere.

        Args:
            positions: Whose images, (B,) int64.
            frames: What they are compared with, bit by bit; images (B, ...) by name.
        """
        rows = self._rows[positions]
        repeated = rows > 0
        for key, kept in self._images.items():
            repeated &= _same(kept[rows], frames[key])
        self.drop(positions[repeated])

    def keep_only(self, positions: np.ndarray) -> None:
        """Drop all others.

        Args:
            positions: For which images are kept, (B,) int64.
        """
        others = self._rows > 0
        others[positions] = False
        self.drop(np.flatnonzero(others))

    def fill_in(self, frames: Frames, positions: np.ndarray) -> None:
        """Write what is kept over images that were read elsewhere.

        Args:
            frames: Images (*positions.shape, ...) by name; changed in place.
            positions: Buffer positions of any shape.
        """
        rows = self._rows[positions]
        kept = rows > 0
        for key, images in frames.items():
            images[kept] = self._images[key][rows[kept]]

    def positions(self) -> np.ndarray:
        """Find what images are kept for.

        Returns:
            Buffer positions in ascending order, (n,) int64.
        """
        return np.flatnonzero(self._rows)

    def state_dict(self, positions: np.ndarray | None = None) -> dict[str, Any]:
        """Copy what is kept.

        Args:
            positions: Only for these, (B,) int64; ``None`` for all.

        Returns:
            Positions (n,) for which images are kept, and the images (n, ...) by name.
        """
        if positions is None:
            positions = self.positions()
        positions = positions[self._rows[positions] > 0]
        rows = self._rows[positions]
        images = {key: images[rows] for key, images in self._images.items()}
        return {"positions": positions, "images": images}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Keep what :meth:`state_dict` returned, beside what is kept for other positions.

        Args:
            state: The state; arrays may have become tensors on the way.
        """
        images = {key: to_array(value) for key, value in state["images"].items()}
        self.put(to_array(state["positions"]), images)

    def _make_room(self, n: int, frames: Frames) -> None:
        for key, images in frames.items():
            if key not in self._images:
                self._images[key] = np.empty((1, *images.shape[1:]), images.dtype)
        missing = n - len(self._free)
        if missing <= 0:
            return
        n_rows = len(next(iter(self._images.values())))
        more = max(missing, n_rows // 2)
        self._free.extend(range(n_rows, n_rows + more))
        for key, images in self._images.items():
            grown = np.empty((n_rows + more, *images.shape[1:]), images.dtype)
            grown[:n_rows] = images
            self._images[key] = grown


def split_frames(batch: Any) -> tuple[Any, Frames]:
    """Take the images out of next observations.

    Args:
        batch: Transitions with ``obs`` and ``obs_next``, as Tianshou takes them.

    Returns:
        The transitions without them, and the images (B, ...) by name: entries of rank two
        or more, or uint8. Nothing is taken out of observations that are no dicts.

    Raises:
        ObservationError: If an image is missing after the step, or has another shape.
    """
    if not isinstance(batch.obs, Batch) or "obs_next" not in batch.get_keys():
        return batch, {}
    after = batch.obs_next
    frames = {}
    for key, before in batch.obs.items():
        if is_frame(before):
            values = np.asarray(after[key]) if key in after.get_keys() else np.empty(0)
            if values.shape != before.shape:
                raise ObservationError(
                    f"images {key!r} have shape {before.shape} before the step and "
                    f"{values.shape} after it"
                )
            frames[key] = values.astype(before.dtype, copy=False)
    if not frames:
        return batch, {}
    rest, vectors = Batch(), Batch()
    rest.__dict__.update(batch.items())
    vectors.__dict__.update((k, v) for k, v in after.items() if k not in frames)
    rest.__dict__["obs_next"] = vectors
    return rest, frames


def is_frame(values: Any) -> bool:
    """Tell whether an entry of observations is an image.

    Args:
        values: Its values of some instances, (B, ...).

    Returns:
        True for arrays of rank two or more per instance and for uint8 arrays.
    """
    return isinstance(values, np.ndarray) and (
        values.ndim > 2 or values.dtype == np.uint8
    )


def _same(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Compare (B, ...) bit by bit, so that NaN is itself and -0.0 is not 0.0."""
    equal = images.view(np.uint8) == others.view(np.uint8)
    return np.asarray(equal.all(axis=tuple(range(1, equal.ndim))))
