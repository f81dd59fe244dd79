"""A replay buffer's arrays as nested dicts, and back."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tianshou.data import Batch

from layeredrl.utils.checkpoints import to_array


def batch_to_dict(batch: Any, positions: np.ndarray | None = None) -> dict[str, Any]:
    """Copy the arrays of a batch.

    Args:
        batch: Nested batches of arrays (N, ...).
        positions: Which rows, (B,) int64; ``None`` for all.

    Returns:
        Dicts nested like the batches, of arrays (N, ...) or (B, ...).
    """
    return {
        key: (
            batch_to_dict(value, positions)
            if isinstance(value, Batch)
            else np.array(value) if positions is None else np.asarray(value)[positions]
        )
        for key, value in batch.items()
    }


def dict_to_batch(state: Mapping[str, Any]) -> Batch:
    """Make a batch of copied arrays.

    Not ``Batch(dict)``: that would stack and cast on its own account.

    Args:
        state: Nested dicts of arrays, or of tensors on the CPU.

    Returns:
        Nested batches of new arrays.
    """
    batch = Batch()
    for key, value in state.items():
        batch.__dict__[key] = (
            dict_to_batch(value) if isinstance(value, Mapping) else to_array(value)
        )
    return batch


def join_batches(batches: Sequence[Batch]) -> Batch:
    """Put the rows of batches one after the other.

    Not ``Batch.cat``, which takes ten times as long over comparing their structures.

    Args:
        batches: At least one; with the same entries, arrays (N, ...) or nested batches.

    Returns:
        All rows.
    """
    joined = Batch()
    for key, value in batches[0].items():
        parts = [batch.__dict__[key] for batch in batches]
        joined.__dict__[key] = (
            join_batches(parts) if isinstance(value, Batch) else np.concatenate(parts)
        )
    return joined


def place_rows(
    target: dict[str, Any],
    rows: Mapping[str, Any],
    positions: np.ndarray,
    size: int,
) -> None:
    """Write rows into dicts of arrays; arrays that are missing are made, full of zeros.

    Args:
        target: Nested dicts of arrays (size, ...).
        rows: Nested dicts of arrays or tensors (B, ...).
        positions: Where the rows go, (B,) int64.
        size: Length of the arrays.
    """
    for key, value in rows.items():
        if isinstance(value, Mapping):
            place_rows(target.setdefault(key, {}), value, positions, size)
            continue
        array = to_array(value)
        if key not in target:
            target[key] = np.zeros((size, *array.shape[1:]), array.dtype)
        target[key][positions] = array


def shapes(batch: Any) -> dict[str, Any]:
    """Read off the shapes of what must fit; infos may come and go.

    Args:
        batch: Nested batches or dicts of arrays.

    Returns:
        Nested dicts of shapes.
    """
    return {
        key: (
            shapes(value) if isinstance(value, (Batch, Mapping)) else tuple(value.shape)
        )
        for key, value in batch.items()
        if key != "info"
    }
