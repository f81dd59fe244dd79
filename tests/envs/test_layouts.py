from collections import deque

import numpy as np
import pytest

from layeredrl.envs.layouts import LAYOUTS, layout_named, read_map
from layeredrl.errors import ConfigurationError


def longest_shortest_path(walls):
    """The number of moves between the two free cells that are furthest apart."""
    free = {tuple(cell) for cell in np.argwhere(~walls).tolist()}
    longest = 0
    for source in free:
        steps, queue = {source: 0}, deque([source])
        while queue:
            i, j = queue.popleft()
            for cell in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                if cell in free and cell not in steps:
                    steps[cell] = steps[i, j] + 1
                    queue.append(cell)
        longest = max(longest, *steps.values())
    return longest


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("Open", "OPEN"),
        ("UMaze", "U_MAZE"),
        ("Medium", "MEDIUM_MAZE"),
        ("Large", "LARGE_MAZE"),
    ],
)
def test_layouts_are_those_of_gymnasium_robotics(name, theirs):
    maps = pytest.importorskip("gymnasium_robotics.envs.maze.maps")
    assert (
        read_map(LAYOUTS[name]).tolist() == np.equal(getattr(maps, theirs), 1).tolist()
    )


def test_medium_is_the_one_of_the_specification():
    rows = "11111111 10011001 10010001 11000111 10010001 10100101 10001001 11111111"
    assert LAYOUTS["Medium"] == tuple(rows.split())


def test_giant_is_ogbenchs():
    walls = read_map(LAYOUTS["Giant"])
    assert walls.shape == (12, 16)
    # The starts and goals of OGBench's five tasks, (row, column).
    tasks = [
        (1, 1),
        (10, 14),
        (1, 14),
        (10, 1),
        (8, 14),
        (8, 3),
        (5, 12),
        (5, 9),
        (3, 8),
    ]
    assert not any(walls[cell] for cell in tasks)
    assert longest_shortest_path(walls) == 31


def test_corridor_is_one_row_of_twelve_free_cells():
    walls = read_map(LAYOUTS["Corridor"])
    assert np.flatnonzero((~walls).any(axis=1)).size == 1
    assert (~walls).sum() == longest_shortest_path(walls) + 1 == 12


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_standard_layouts_are_readable_and_walled_in(layout):
    walls = read_map(layout)
    assert walls[[0, -1]].all() and walls[:, [0, -1]].all()


@pytest.mark.parametrize(
    "same",
    [
        ["01", "00"],
        [[0, 1], [0, 0]],
        np.array([[0, 1], [0, 0]]),
        np.array([[False, True], [False, False]]),
    ],
)
def test_maps_may_be_text_numbers_or_arrays(same):
    assert read_map(same).tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize(
    ("maze_map", "message"),
    [
        (["111", "10"], "not rectangular: row 0 has 3 cells, row 1 has 2"),
        (["111", "111"], "no free cell"),
        (["111", "101"], "single free cell"),
        (["1x0"], "'x' in row 0, column 1"),
        ([[0, 2]], "2 in row 0, column 1"),
        ([], "non-empty"),
        (np.zeros((2, 2, 2)), "non-empty sequence of rows"),
        (["010"], r"falls apart: cell \(0, 2\)"),
        (["01", "10"], "falls apart"),
    ],
)
def test_maps_that_cannot_be_played_are_refused(maze_map, message):
    with pytest.raises(ConfigurationError, match=message):
        read_map(maze_map)


def test_unknown_layout_lists_the_known():
    with pytest.raises(ConfigurationError, match="'Hard'.*Open, UMaze, Medium, Large"):
        layout_named("Hard")
