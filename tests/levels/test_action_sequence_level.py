import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.levels import ActionSequenceLevel
from layeredrl.utils.spaces import inner_bounds
from tests.levels.building import build, transition

BOX = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 4], np.float32))
NOTHING = np.zeros((1, 3), np.float32)


def play(level, level_input, n_steps, instance=0):
    """Play for one instance; returns actions, and who handed control back when."""
    actions, back = [], []
    rows = np.array([instance])
    for _ in range(n_steps):
        actions.append(level.get_action(NOTHING, level_input[None], rows)[0])
        back.append(bool(level.process_transition(transition(rows))[0]))
    return np.array(actions), back


def test_plays_the_components_in_order_and_hands_back_after_the_last():
    level = build(ActionSequenceLevel(3), BOX)
    sequence = np.arange(6, dtype=np.float32) / 10
    actions, back = play(level, sequence, 6)
    np.testing.assert_array_equal(actions[:3], sequence.reshape(3, 2))
    np.testing.assert_array_equal(actions[3:], sequence.reshape(3, 2))
    assert back == [False, False, True] * 2


def test_input_space_repeats_the_bounds():
    space = ActionSequenceLevel(3).input_space(BOX)
    np.testing.assert_array_equal(space.low, [-1, 0] * 3)
    np.testing.assert_array_equal(space.high, [1, 4] * 3)
    assert space.dtype == np.float32


def test_matrices_of_actions_are_laid_out_row_by_row():
    box = spaces.Box(0.0, 100.0, (2, 2), np.float32)
    recipe = ActionSequenceLevel(2)
    assert recipe.input_space(box).shape == (8,)
    actions, _ = play(build(recipe, box), np.arange(8, dtype=np.float32), 2)
    np.testing.assert_array_equal(actions, [[0, 1, 2, 3], [4, 5, 6, 7]])


@pytest.mark.parametrize("start", [0, 7, -2])
def test_discrete_sequences_are_numbered_with_the_first_action_counting_most(start):
    recipe, below = ActionSequenceLevel(3), spaces.Discrete(4, start=start)
    space = recipe.input_space(below)
    assert space == spaces.Discrete(64)
    level = build(recipe, below)
    for number, digits in ((0, [0, 0, 0]), (1, [0, 0, 1]), (27, [1, 2, 3])):
        actions, back = play(level, np.eye(64, dtype=np.float32)[number], 3)
        assert actions.argmax(-1).tolist() == digits and (actions.sum(-1) == 1).all()
        assert back == [False, False, True]


def test_all_discrete_sequences_are_different():
    level = build(ActionSequenceLevel(2), spaces.Discrete(3))
    played = [play(level, np.eye(9, dtype=np.float32)[i], 2)[0] for i in range(9)]
    assert len({p.argmax(-1).tobytes() for p in played}) == 9


def test_sequences_of_sequences():
    inner, outer = ActionSequenceLevel(2), ActionSequenceLevel(3)
    space = outer.input_space(inner.input_space(BOX))
    assert space.shape == (12,)
    assert outer.input_space(inner.input_space(spaces.Discrete(2))).n == 4**3


def test_instances_play_at_their_own_pace_and_a_reset_starts_over():
    level = build(ActionSequenceLevel(2), BOX)
    sequences = np.arange(12, dtype=np.float32).reshape(3, 4)
    play(level, sequences[1], 1, instance=1)
    rows = np.array([2, 1, 0])
    actions = level.get_action(np.zeros((3, 3), np.float32), sequences[rows], rows)
    np.testing.assert_array_equal(actions, [[8, 9], [6, 7], [0, 1]])
    level.reset(np.array([1]))
    actions = level.get_action(NOTHING, sequences[1:2], np.array([1]))
    np.testing.assert_array_equal(actions, [[4, 5]])


def test_float64_bounds_are_kept_in_float32():
    box = spaces.Box(-0.1, 0.1, (1,), np.float64)
    space = ActionSequenceLevel(2).input_space(box)
    low, high = inner_bounds(box)
    assert float(space.high[1]) == high[0] <= 0.1 and space.low[0] == low[0] >= -0.1


@pytest.mark.parametrize("n_steps", [0, -1])
def test_empty_sequences_are_refused(n_steps):
    with pytest.raises(ConfigurationError, match=f"at least 1, got {n_steps}"):
        ActionSequenceLevel(n_steps)


def test_too_many_discrete_sequences_are_refused():
    with pytest.raises(SpaceError, match="15625 sequences"):
        ActionSequenceLevel(6).input_space(spaces.Discrete(5))


def test_other_kinds_of_actions_are_refused():
    with pytest.raises(SpaceError, match="MultiDiscrete"):
        ActionSequenceLevel(2).input_space(spaces.MultiDiscrete([2, 2]))


def test_cannot_be_on_top():
    with pytest.raises(ConfigurationError, match="cannot be on top"):
        build(ActionSequenceLevel(2), BOX, input_space=None)
