"""The states of mazes as plain arrays and values, for runs that resume exactly."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layeredrl.envs.maze_geometry import MazeGeometry
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


def map_rows(walls: np.ndarray) -> list[str]:
    """Write a map as text.

    Args:
        walls: Whether each cell is a wall, rows from the top, (rows, columns) bool.

    Returns:
        Rows from the top, "1" for wall and "0" for free.
    """
    return ["".join("01"[int(wall)] for wall in row) for row in walls]


def maze_state(
    maze: MazeGeometry,
    positions: np.ndarray,
    goals: np.ndarray,
    generators: Sequence[np.random.Generator],
) -> dict[str, Any]:
    """Return what decides how episodes go on, as copies.

    Args:
        maze: The maze.
        positions: Where the agents are, (B, 2).
        goals: Where they shall go, (B, 2).
        generators: Their generators, B of them.

    Returns:
        ``maze_map`` (rows of text), ``positions`` and ``goals`` (B, 2) float64, and
        ``generators`` (B, 6) int64.
    """
    return {
        "maze_map": map_rows(maze.walls),
        "positions": positions.copy(),
        "goals": goals.copy(),
        "generators": generators_to_words(generators),
    }


def check_state(
    state: Mapping[str, Any], maze: MazeGeometry, like: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Check that a state fits an environment before any of it is taken over.

    Args:
        state: The state to set.
        maze: The environment's maze.
        like: Arrays of the shapes and types that the state's arrays must have.

    Returns:
        Copies of the arrays.

    Raises:
        CheckpointError: Keys, maze, shapes or positions do not fit; the message says how.
    """
    keys = sorted(["maze_map", *like])
    if sorted(state) != keys:
        raise CheckpointError(
            f"a maze's state has the keys {keys}, got {sorted(state)}"
        )
    own_map = map_rows(maze.walls)
    if list(state["maze_map"]) != own_map:
        raise CheckpointError(
            f"the state is of another maze, {list(state['maze_map'])}; "
            f"this one is {own_map}"
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
    for key in ("positions", "goals"):
        if not maze.fits(arrays[key]).all():
            raise CheckpointError(f"the state has {key} inside a wall")
    return arrays
