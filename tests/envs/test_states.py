import numpy as np
import pytest

from layeredrl.envs.layouts import LAYOUTS, read_map
from layeredrl.envs.maze_geometry import MazeGeometry
from layeredrl.envs.maze_state import (
    check_state,
    generators_to_words,
    map_rows,
    maze_state,
    words_to_generators,
)
from layeredrl.errors import CheckpointError, ConfigurationError

MAZE = MazeGeometry(read_map(LAYOUTS["UMaze"]))
LIKE = {
    "positions": np.zeros((2, 2)),
    "goals": np.zeros((2, 2)),
    "generators": np.zeros((2, 6), dtype=np.int64),
}


def state():
    generators = [np.random.default_rng(i) for i in range(2)]
    return maze_state(MAZE, MAZE.corners[:2], MAZE.corners[2:], generators)


def test_generators_continue_exactly():
    generators = [np.random.default_rng(i) for i in range(4)]
    generators[1].random(3)
    generators[2].integers(5, dtype=np.uint32)  # leaves half a number behind
    words = generators_to_words(generators)
    assert words.shape == (4, 6) and words.dtype == np.int64
    for old, new in zip(generators, words_to_generators(words)):
        assert old.integers(9, size=3, dtype=np.uint32).tolist() == (
            new.integers(9, size=3, dtype=np.uint32).tolist()
        )
        assert old.random() == new.random()


def test_generators_of_another_kind_are_refused():
    with pytest.raises(ConfigurationError, match="instance 1 is MT19937"):
        generators_to_words(
            [np.random.default_rng(0), np.random.Generator(np.random.MT19937(0))]
        )


def test_maps_are_written_as_they_are_read():
    assert tuple(map_rows(MAZE.walls)) == LAYOUTS["UMaze"]


def test_states_pass_and_are_copied():
    given = state()
    arrays = check_state(given, MAZE, LIKE)
    assert set(arrays) == set(LIKE)
    for key, value in arrays.items():
        assert np.array_equal(value, given[key])
        assert not np.shares_memory(value, given[key])


def test_states_that_do_not_fit_are_refused():
    cases = [
        ({"more": 1}, "keys"),
        ({"maze_map": list(LAYOUTS["Open"])}, "another maze"),
        ({"positions": np.zeros((3, 2))}, r"'positions'.*\(3, 2\).*needs \(2, 2\)"),
        ({"goals": np.zeros((2, 2), np.float32)}, "'goals'.*float32.*needs.*float64"),
        ({"positions": np.zeros((2, 2))}, "positions inside a wall"),
        ({"goals": np.full((2, 2), np.nan)}, "goals inside a wall"),
    ]
    for change, message in cases:
        with pytest.raises(CheckpointError, match=message):
            check_state({**state(), **change}, MAZE, LIKE)
