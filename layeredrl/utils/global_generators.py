"""The states of the generators that nobody owns."""

import random
from typing import Any

import numpy as np
import torch

from layeredrl.utils.checkpoints import to_array


def global_generator_states() -> dict[str, Any]:
    """Copy the states of Python's, numpy's and torch's global generators.

    Returns:
        Tensors, arrays and plain values.
    """
    version, words, gauss = random.getstate()
    return {
        "python": {"version": version, "words": list(words), "gauss": gauss},
        "numpy": np.random.get_state(legacy=False),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_global_generator_states(states: dict[str, Any]) -> None:
    """Restore what :func:`global_generator_states` returned.

    Args:
        states: The states; those of GPUs count where there are as many.
    """
    python = states["python"]
    random.setstate((python["version"], tuple(python["words"]), python["gauss"]))
    numpy_state = dict(states["numpy"])
    inner = dict(numpy_state["state"])
    inner["key"] = to_array(inner["key"]).astype(np.uint32)
    numpy_state["state"] = inner
    np.random.set_state(numpy_state)
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
