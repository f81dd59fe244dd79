"""Infos of many instances in the form that Gymnasium's vector environments give them."""

from typing import Any

import numpy as np


def told_infos(infos: dict[str, np.ndarray], told: np.ndarray) -> dict[str, Any]:
    """Add to each info of whom it is, and zero it elsewhere.

    Args:
        infos: Arrays by name, (B, ...) each.
        told: Whom they are of, (B,) bool.

    Returns:
        New arrays: each info, and under its name with an underscore in front the mask.
    """
    masked: dict[str, Any] = {}
    for name, values in infos.items():
        kept = told.reshape(-1, *[1] * (values.ndim - 1))
        masked[name] = np.where(kept, values, np.zeros((), values.dtype))
        masked[f"_{name}"] = told.copy()
    return masked


def row_of(batch: Any, row: int) -> Any:
    """Take one instance out of a batch.

    Args:
        batch: An array (B, ...) or a dict of such.
        row: Which instance.

    Returns:
        Its part, not copied.
    """
    if isinstance(batch, dict):
        return {key: values[row] for key, values in batch.items()}
    return batch[row]
