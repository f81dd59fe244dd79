"""Generators that are owned, and their states as plain values."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from layeredrl.errors import ConfigurationError

logger = logging.getLogger(__name__)


def spawn(seed: int | np.random.SeedSequence, n: int) -> list[np.random.SeedSequence]:
    """Derive independent seeds; the same call always gives the same ones.

    Args:
        seed: Root of the tree.
        n: Number of children.

    Returns:
        Seed sequences whose streams are independent.

    Raises:
        ConfigurationError: If the root is a negative number.
    """
    root = seed
    if not isinstance(root, np.random.SeedSequence):
        if root < 0:
            raise ConfigurationError(f"a seed must not be negative, got {root}")
        root = np.random.SeedSequence(root)
    # Built by hand: SeedSequence.spawn counts its children, so a second call differs.
    return [
        np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, i))
        for i in range(n)
    ]


def integer_seed(seed: np.random.SeedSequence) -> int:
    """Reduce a seed sequence to one integer that every library accepts.

    Args:
        seed: The sequence.

    Returns:
        A non-negative integer below 2**31.
    """
    return int(seed.generate_state(1, np.uint32)[0] >> 1)


def torch_generator(
    seed: np.random.SeedSequence, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Make a torch generator on a device.

    Args:
        seed: Its seed.
        device: Where numbers will be drawn.

    Returns:
        The generator.
    """
    return _seeded(torch.Generator(device=device), seed)


def set_torch_generator_state(generator: torch.Generator, state: torch.Tensor) -> None:
    """Restore the state of a torch generator.

    A state of another kind of device means nothing here. Then the stream goes on from a seed
    that is made of it, which is logged as a warning.

    Args:
        generator: The generator to change.
        state: What ``get_state`` returned, uint8.
    """
    state = state.cpu()
    if state.shape == generator.get_state().shape:
        generator.set_state(state)
        return
    logger.warning(
        "random numbers go on from another seed: the saved generator was of another device "
        "than %s",
        generator.device,
    )
    words = np.frombuffer(state.numpy().tobytes(), dtype=np.uint8)
    _seeded(generator, np.random.SeedSequence(words.tolist()))


def _seeded(
    generator: torch.Generator, seed: np.random.SeedSequence
) -> torch.Generator:
    return generator.manual_seed(
        int(seed.generate_state(1, np.uint64)[0] >> np.uint64(1))
    )


def numpy_generator(seed: np.random.SeedSequence) -> np.random.Generator:
    """Make a numpy generator.

    Args:
        seed: Its seed.

    Returns:
        The generator.
    """
    return np.random.Generator(np.random.PCG64(seed))


def numpy_generator_state(generator: np.random.Generator) -> dict[str, Any]:
    """Read a numpy generator's state as plain values.

    Args:
        generator: A generator made by :func:`numpy_generator`.

    Returns:
        Nested dict of strings and integers.
    """
    return dict(generator.bit_generator.state)


def set_numpy_generator_state(
    generator: np.random.Generator, state: dict[str, Any]
) -> None:
    """Restore what :func:`numpy_generator_state` returned.

    Args:
        generator: The generator to change.
        state: The state.
    """
    generator.bit_generator.state = state


@contextmanager
def seeded_initialization(seed: np.random.SeedSequence) -> Iterator[None]:
    """Draw initial weights from a seed without touching the global generator.

    Args:
        seed: Seeds torch's global generator within the block only.

    Yields:
        Nothing.
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(integer_seed(seed))
        yield
