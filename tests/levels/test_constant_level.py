import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.errors import ConfigurationError
from layeredrl.levels import ConstantLevel
from tests.levels.building import build, transition

BOX = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 4], np.float32))
ROWS = np.array([2, 0])
NOTHING = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    "action, space, features",
    [
        ((0.5, 3), BOX, [0.5, 3]),
        ([-1.0, 4.0], BOX, [-1, 4]),
        (np.array([1.0, 0.0]), BOX, [1, 0]),
        (
            ((1, 2), (3, 4)),
            spaces.Box(0, 9, (2, 2), np.float32),
            [1, 2, 3, 4],
        ),
        (6, spaces.Discrete(3, start=5), [0, 1, 0]),
        (np.int64(5), spaces.Discrete(3, start=5), [1, 0, 0]),
    ],
)
def test_repeats_its_action(action, space, features):
    level = build(ConstantLevel(action), space)
    for _ in range(2):
        got = level.get_action(NOTHING, None, ROWS)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, [features, features])
        assert level.process_transition(transition(ROWS)).all()


def test_the_very_bound_of_a_float64_box_is_legal_and_stays_within():
    level = build(ConstantLevel((0.1,)), spaces.Box(-0.1, 0.1, (1,), np.float64))
    assert 0.0999 < float(level.get_action(NOTHING, None, ROWS)[0, 0]) <= 0.1


@pytest.mark.parametrize(
    "action, space",
    [
        ((2.0, 0.0), BOX),
        ((0.0,), BOX),
        ((0.0, 0.0, 0.0), BOX),
        ((float("nan"), 0.0), BOX),
        ((float("inf"),), spaces.Box(-1, 1, (1,), np.float32)),
        (8, spaces.Discrete(3, start=5)),
        (0, spaces.Discrete(3, start=5)),
        (5.0, spaces.Discrete(3, start=5)),
        ((5, 6), spaces.Discrete(3, start=5)),
        (True, spaces.Discrete(3)),
    ],
)
def test_what_is_not_in_the_space_is_refused(action, space):
    with pytest.raises(ConfigurationError, match="is not in"):
        build(ConstantLevel(action), space)


def test_takes_no_input():
    assert ConstantLevel((0.0,)).input_space(BOX) is None
