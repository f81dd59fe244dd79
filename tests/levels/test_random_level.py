import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.errors import SpaceError
from layeredrl.levels import RandomLevel
from tests.levels.building import build, transition


def draw(space, n=500, seed=0):
    level = build(RandomLevel(), space, n_instances=n, seed=seed)
    rows = np.arange(n)
    actions = level.get_action(np.zeros((n, 3), np.float32), None, rows)
    assert level.process_transition(transition(rows)).all()
    return actions


def test_fills_a_box_evenly():
    low, high = np.array([-1, 10], np.float32), np.array([3, 11], np.float32)
    actions = draw(spaces.Box(low, high))
    assert (actions >= low).all() and (actions <= high).all()
    np.testing.assert_allclose(actions.mean(0), (low + high) / 2, atol=0.2)
    np.testing.assert_allclose(actions.std(0), (high - low) / 12**0.5, rtol=0.1)


def test_draws_all_choices_equally_often():
    actions = draw(spaces.Discrete(4, start=-3))
    assert (actions.sum(-1) == 1).all()
    np.testing.assert_allclose(actions.mean(0), 0.25, atol=0.06)


def test_seeds_differ():
    space = spaces.Box(-1, 1, (2,), np.float32)
    assert not (draw(space, seed=0) == draw(space, seed=1)).any()


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-np.inf, np.inf, (2,), np.float32),
        spaces.Box(np.array([0, -np.inf]), np.array([1, 1]), dtype=np.float64),
        spaces.MultiDiscrete([2, 3]),
    ],
)
def test_what_cannot_be_drawn_is_refused_when_it_is_built(space):
    with pytest.raises(SpaceError, match="bounds|must live in"):
        build(RandomLevel(), space)
