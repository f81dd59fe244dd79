"""States of environments as plain arrays and values, for runs that resume exactly."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layeredrl.errors import CheckpointError, ConfigurationError

_WORD = 64
_MASK = 2**_WORD - 1


def generators_to_words(generators: Sequence[np.random.Generator]) -> np.ndarray:
    """Write the states of generators as numbers.

    Args:
        generators: NumPy generators of the default kind (PCG64).

    Returns:
        State, increment (high and low word each) and the half-used number (whether there
        is one, and which), (B, 6) int64.

    Raises:
        ConfigurationError: A generator is of another kind.
    """
    rows = []
    for i, generator in enumerate(generators):
        state: Mapping[str, Any] = generator.bit_generator.state
        if state["bit_generator"] != "PCG64":
            raise ConfigurationError(
                f"only states of PCG64 generators can be kept; np_random of instance {i} "
                f"is {state['bit_generator']}"
            )
        inner = state["state"]
        wide = (inner["state"], inner["inc"])
        words = [part for w in wide for part in (w >> _WORD, w & _MASK)]
        rows.append([*words, state["has_uint32"], state["uinteger"]])
    return np.array(rows, dtype=np.uint64).reshape(-1, 6).view(np.int64)


def words_to_generators(words: np.ndarray) -> list[np.random.Generator]:
    """Make generators that continue where others were.

    Args:
        words: What ``generators_to_words`` returned, (B, 6) int64.

    Returns:
        New generators.
    """
    generators = []
    for row in np.ascontiguousarray(words, dtype=np.int64).view(np.uint64).tolist():
        bit_generator = np.random.PCG64()
        bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {
                "state": (row[0] << _WORD) | row[1],
                "inc": (row[2] << _WORD) | row[3],
            },
            "has_uint32": row[4],
            "uinteger": row[5],
        }
        generators.append(np.random.Generator(bit_generator))
    return generators


def check_state(
    state: Mapping[str, Any],
    identity: Mapping[str, Any],
    like: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Check that a state fits an environment before any of it is taken over.

    Args:
        state: The state to set.
        identity: Plain values that the state must have in common with the environment.
        like: Arrays of the shapes and types that the state's arrays must have.

    Returns:
        Copies of the arrays.

    Raises:
        CheckpointError: Keys, values or shapes do not fit; the message says how.
    """
    keys = sorted([*identity, *like])
    if sorted(state) != keys:
        raise CheckpointError(
            f"the state of this environment has the keys {keys}, got {sorted(state)}"
        )
    for key, own in identity.items():
        if state[key] != own:
            raise CheckpointError(
                f"the state is of another environment: its {key!r} is {state[key]}, "
                f"here it is {own}"
            )
    arrays = {}
    for key, template in like.items():
        given = np.asarray(state[key])
        if (given.shape, given.dtype) != (template.shape, template.dtype):
            raise CheckpointError(
                f"{key!r} of the state is {given.shape} {given.dtype}, "
                f"this environment needs {template.shape} {template.dtype}"
            )
        arrays[key] = given.copy()
    return arrays
