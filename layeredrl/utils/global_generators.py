"""The states of the generators that nobody owns."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from layeredrl.utils.checkpoints import to_array
from layeredrl.utils.seeding import integer_seed


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
    np.random.set_state(_numpy_state(states["numpy"]))
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])


class BorrowedGenerators:
    """Lends states of its own to the global generators while foreign code runs.

    Other libraries draw from torch's and numpy's global generators. Inside
    :meth:`lent` these continue a stream that belongs to this object; outside nothing of
    it is seen.
    """

    def __init__(self, seed: np.random.SeedSequence, device: torch.device):
        """Seed the streams.

        Args:
            seed: Their seed.
            device: Where torch draws.
        """
        number = integer_seed(seed)
        self._device = device
        self._numpy = np.random.RandomState(number).get_state(legacy=False)
        self._torch = torch.Generator().manual_seed(number).get_state()
        self._cuda: torch.Tensor | None = None
        if device.type == "cuda":
            self._cuda = torch.Generator(device).manual_seed(number).get_state()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Draw from the own streams within the block.

        Yields:
            Nothing.
        """
        before = self._swap(self.state_dict())
        try:
            yield
        finally:
            own = self._swap(before)
            self._numpy, self._torch, self._cuda = (
                own["numpy"],
                own["torch"],
                own["cuda"],
            )

    def state_dict(self) -> dict[str, Any]:
        """Copy the streams' states.

        Returns:
            Tensors, arrays and plain values.
        """
        return {
            "numpy": {**self._numpy, "state": dict(self._numpy["state"])},
            "torch": self._torch.clone(),
            "cuda": None if self._cuda is None else self._cuda.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The states.
        """
        self._numpy = _numpy_state(state["numpy"])
        self._torch = state["torch"].cpu().clone()
        cuda = state["cuda"]
        if self._cuda is not None and cuda is not None:
            self._cuda = cuda.cpu().clone()

    def _swap(self, states: dict[str, Any]) -> dict[str, Any]:
        """Set the global generators; return what they were."""
        is_cuda = self._device.type == "cuda"
        before = {
            "numpy": np.random.get_state(legacy=False),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self._device) if is_cuda else None,
        }
        np.random.set_state(states["numpy"])
        torch.set_rng_state(states["torch"])
        if states["cuda"] is not None:
            torch.cuda.set_rng_state(states["cuda"], self._device)
        return before


def _numpy_state(state: dict[str, Any]) -> dict[str, Any]:
    inner = dict(state["state"])
    inner["key"] = to_array(inner["key"]).astype(np.uint32)
    return {**state, "state": inner}
