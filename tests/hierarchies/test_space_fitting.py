import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, LevelInputError, SpaceError
from layeredrl.hierarchies.space_fitting import (
    ActionCheck,
    check_same_spaces,
    decision_intervals,
    resolve_spaces,
)
from layeredrl.levels import ActionSequenceLevel, ConstantLevel, RandomLevel
from tests.toy_envs import BOX, Line, Spaces, unbounded
from tests.toy_levels import Counter

ROWS = np.array([2, 0])
LOPSIDED = spaces.Box(np.array([-1000, 0.5]), np.array([1, np.inf]), dtype=np.float64)


def test_each_level_decides_in_the_input_space_of_the_one_below():
    levels = [RandomLevel(), ActionSequenceLevel(2), ActionSequenceLevel(3)]
    found = resolve_spaces(levels, spaces.Box(-1, 1, (2,), np.float32))
    assert [space.shape for space in found] == [(12,), (6,), (2,)]
    found = resolve_spaces(levels, spaces.Discrete(3, start=4))
    assert [space.n for space in found] == [27**2, 27, 3] and found[-1].start == 4


def test_decision_intervals_multiply_from_the_bottom():
    levels = [Counter(n_decisions=7), Counter(n_decisions=2), ActionSequenceLevel(3)]
    assert decision_intervals(levels) == [6, 3, 1]


@pytest.mark.parametrize("below", [RandomLevel(), ConstantLevel((0.0,))])
def test_a_level_without_input_below_the_top_is_refused(below):
    levels = [RandomLevel(), ActionSequenceLevel(2), below]
    with pytest.raises(ConfigurationError, match=f"level 2 .{type(below).__name__}"):
        resolve_spaces(levels, BOX)


@pytest.mark.parametrize("wrong", [RandomLevel, None, "RandomLevel"])
def test_what_is_no_level_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="level 1 is .*descriptions"):
        resolve_spaces([RandomLevel(), wrong], BOX)


@pytest.mark.parametrize("space", [spaces.MultiDiscrete([2, 2]), spaces.Text(3)])
def test_actions_of_other_kinds_are_refused(space):
    with pytest.raises(SpaceError, match="Box or a Discrete"):
        resolve_spaces([RandomLevel()], space)


def test_legal_actions_pass_in_float32():
    action = np.array([[-1000.0, 7.0], [1.0, 0.5]])
    got = ActionCheck(LOPSIDED, "level")(action, ROWS)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, action)


def test_rounding_beyond_a_bound_is_brought_back():
    action = np.array([[-1000.005, 0.5], [1.00001, 0.499999]])
    got = ActionCheck(LOPSIDED, "level")(action, ROWS)
    np.testing.assert_array_equal(got, [[-1000, 0.5], [1, 0.5]])
    for row in got:
        assert LOPSIDED.contains(row.astype(np.float64))


@pytest.mark.parametrize(
    "row",
    [[1.001, 1], [-1000.1, 1], [0, 0.4], [np.nan, 1], [0, np.inf], [0, -np.inf]],
)
def test_actions_outside_are_refused_with_values_and_instance(row):
    action = np.array([[0, 1], row], np.float32)
    with pytest.raises(LevelInputError) as error:
        ActionCheck(LOPSIDED, "level 1 (Mine)")(action, ROWS)
    for part in ("level 1 (Mine)", "instance 0", str(action[1]), "Box"):
        assert part in str(error.value)


@pytest.mark.parametrize("shape", [(2, 3), (1, 2), (2,), (2, 2, 1)])
def test_actions_of_another_shape_are_refused(shape):
    with pytest.raises(LevelInputError, match="2 features"):
        ActionCheck(LOPSIDED, "level")(np.zeros(shape, np.float32), ROWS)


@pytest.mark.parametrize(
    "row", [[0, 0, 0], [1, 1, 0], [0.5, 0.5, 0], [2, -1, 0], [np.nan, 1, 0]]
)
def test_choices_are_one_hot(row):
    check = ActionCheck(spaces.Discrete(3, start=9), "level")
    legal = np.array([[0, 1, 0], [0, 0, 1]], np.float32)
    np.testing.assert_array_equal(check(legal, ROWS), legal)
    with pytest.raises(LevelInputError, match="instance 2"):
        check(np.array([row, [0, 1, 0]], np.float32), ROWS)


@pytest.mark.parametrize(
    "space, neutral",
    [
        (spaces.Box(-1, 1, (2,), np.float32), [0, 0]),
        (LOPSIDED, [0, 0.5]),
        (spaces.Box(-3, -2, (1,), np.float32), [-2]),
        (spaces.Discrete(3, start=9), [1, 0, 0]),
    ],
)
def test_standing_still_is_legal(space, neutral):
    check = ActionCheck(space, "level")
    np.testing.assert_array_equal(check.neutral, neutral)
    check(np.stack([check.neutral] * 2), ROWS)


def test_same_spaces_may_have_other_bounds_of_observations_and_other_sizes():
    bounded = spaces.Box(-1, 1, (3,), np.float32)
    check_same_spaces(Spaces(7, bounded), unbounded(3), BOX)
    check_same_spaces(Line(), unbounded(3), BOX)


@pytest.mark.parametrize(
    "env, named",
    [
        (Spaces(obs=unbounded(4)), "observations.*of 3.*of 4"),
        (Spaces(obs=spaces.Discrete(3)), "Discrete of 3"),
        (Spaces(obs=spaces.Dict({"a": unbounded(3)})), "a: Box"),
        (Spaces(actions=spaces.Box(-2, 2, (1,), np.float32)), r"Box\(-2.0, 2.0"),
        (Spaces(actions=spaces.Discrete(2)), r"Discrete\(2\)"),
    ],
)
def test_other_spaces_are_refused(env, named):
    with pytest.raises(SpaceError, match=named):
        check_same_spaces(env, unbounded(3), BOX)
    with pytest.raises(ConfigurationError, match="expected an environment"):
        check_same_spaces("Maze2D-Open-v0", unbounded(3), BOX)
