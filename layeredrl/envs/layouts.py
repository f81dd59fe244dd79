"""The standard mazes as text, and how a map is read: 1 is wall, 0 is free."""

from collections.abc import Iterable, Sequence

import numpy as np

from layeredrl.errors import ConfigurationError

MazeMap = Sequence[str] | Sequence[Sequence[int]] | np.ndarray

LAYOUTS: dict[str, tuple[str, ...]] = {
    "Open": (
        "1111111",
        "1000001",
        "1000001",
        "1000001",
        "1111111",
    ),
    "UMaze": (
        "11111",
        "10001",
        "11101",
        "10001",
        "11111",
    ),
    "Medium": (
        "11111111",
        "10011001",
        "10010001",
        "11000111",
        "10010001",
        "10100101",
        "10001001",
        "11111111",
    ),
    "Large": (
        "111111111111",
        "100001000001",
        "101101010101",
        "100000010001",
        "101111011101",
        "100101000001",
        "110101010111",
        "100100010001",
        "111111111111",
    ),
    "Giant": (
        "1111111111111111",
        "1010000001100001",
        "1010110101001101",
        "1000100100010001",
        "1011101111110101",
        "1000100010000101",
        "1110101001010111",
        "1000100100010001",
        "1010101111110101",
        "1011100010001101",
        "1000001000100001",
        "1111111111111111",
    ),
    "Corridor": (
        "11111111111111",
        "10000000000001",
        "11111111111111",
    ),
}
"""Rows from the top. D4RL's mazes, OGBench's Giant, and a corridor of 12 free cells."""

_SYMBOLS: dict[object, bool] = {0: False, 1: True, "0": False, "1": True}


def layout_named(name: str) -> tuple[str, ...]:
    """Look up a standard map.

    Args:
        name: A key of ``LAYOUTS``.

    Returns:
        Its rows from the top.

    Raises:
        ConfigurationError: There is no such layout; the message lists those there are.
    """
    if name not in LAYOUTS:
        known = ", ".join(LAYOUTS)
        raise ConfigurationError(f"unknown layout {name!r}; known: {known}")
    return LAYOUTS[name]


def read_map(maze_map: MazeMap) -> np.ndarray:
    """Read a map and check that it can be played on.

    Args:
        maze_map: Rows from the top, each a string or sequence of 0 (free) and 1 (wall).
            An outer wall is not needed: what lies beyond the map counts as wall.

    Returns:
        Whether each cell is a wall, rows from the top, (rows, columns) bool.

    Raises:
        ConfigurationError: The map is empty or not rectangular, has another symbol, has
            fewer than two free cells, or free cells that cannot reach each other.
    """
    rows = [list(row) for row in _rows(maze_map)]
    for i, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ConfigurationError(
                f"maze_map is not rectangular: row 0 has {len(rows[0])} cells, "
                f"row {i} has {len(row)}"
            )
        for j, symbol in enumerate(row):
            if symbol not in _SYMBOLS:
                raise ConfigurationError(
                    f"maze_map has {symbol!r} in row {i}, column {j}; "
                    "expected 0 (free) or 1 (wall)"
                )
    walls = np.array([[_SYMBOLS[symbol] for symbol in row] for row in rows], dtype=bool)
    _check_free_cells(walls)
    return walls


def _rows(maze_map: MazeMap) -> Iterable:
    if len(maze_map) == 0 or any(np.ndim(row) > 1 for row in maze_map):
        raise ConfigurationError(
            f"maze_map must be a non-empty sequence of rows, got {maze_map!r}"
        )
    return maze_map


def _check_free_cells(walls: np.ndarray) -> None:
    free = {(int(i), int(j)) for i, j in np.argwhere(~walls)}
    if not free:
        raise ConfigurationError("maze_map has no free cell (0)")
    if len(free) == 1:
        raise ConfigurationError(
            f"maze_map has a single free cell, {free.pop()}; "
            "a start and a goal need two"
        )
    frontier = [min(free)]
    unreached = free - set(frontier)
    while frontier:
        i, j = frontier.pop()
        found = unreached & {(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)}
        unreached -= found
        frontier.extend(found)
    if unreached:
        raise ConfigurationError(
            f"maze_map falls apart: cell {min(unreached)} (row, column) "
            f"cannot be reached from {min(free)}"
        )
