import numpy as np
import pytest

from layeredrl.envs.states import (
    check_state,
    generators_to_words,
    words_to_generators,
)
from layeredrl.errors import CheckpointError, ConfigurationError

IDENTITY = {"maze_map": ["000", "010"], "length": 3}
LIKE = {
    "positions": np.zeros((2, 2)),
    "generators": np.zeros((2, 6), dtype=np.int64),
}


def state():
    return {
        **IDENTITY,
        "positions": np.array([[1.0, 2.0], [3.0, 4.0]]),
        "generators": np.arange(12).reshape(2, 6),
    }


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


def test_states_pass_and_are_copied():
    given = state()
    arrays = check_state(given, IDENTITY, LIKE)
    assert set(arrays) == set(LIKE)
    for key, value in arrays.items():
        assert np.array_equal(value, given[key])
        assert not np.shares_memory(value, given[key])


def test_states_that_do_not_fit_are_refused():
    cases = [
        ({"more": 1}, "keys"),
        ({"maze_map": ["000"]}, r"another environment: its 'maze_map' is \['000'\]"),
        ({"length": 4}, "another environment: its 'length' is 4, here it is 3"),
        ({"positions": np.zeros((3, 2))}, r"'positions'.*\(3, 2\).*needs \(2, 2\)"),
        ({"positions": np.zeros((2, 2), np.float32)}, "float32.*needs.*float64"),
    ]
    for change, message in cases:
        with pytest.raises(CheckpointError, match=message):
            check_state({**state(), **change}, IDENTITY, LIKE)
    fewer = state()
    del fewer["positions"]
    with pytest.raises(CheckpointError, match="keys"):
        check_state(fewer, IDENTITY, LIKE)
