import numpy as np
import pytest

from layeredrl.envs import LAYOUTS, Maze2DVectorEnv
from layeredrl.errors import CheckpointError


def make():
    env = Maze2DVectorEnv(2, layout="UMaze")
    env.reset(seed=0)
    return env


def test_a_state_tells_the_map_as_it_is_read():
    assert tuple(make().get_state()["maze_map"]) == LAYOUTS["UMaze"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": np.zeros((2, 2))}, "positions inside a wall"),
        ({"goals": np.full((2, 2), np.nan)}, "goals inside a wall"),
        ({"maze_map": list(LAYOUTS["Open"])}, "another environment: its 'maze_map'"),
    ],
)
def test_states_that_do_not_fit_are_refused_and_change_nothing(change, message):
    env = make()
    before = env.get_state()
    with pytest.raises(CheckpointError, match=message):
        env.set_state({**make().get_state(), **change})
    np.testing.assert_equal(env.get_state(), before)


def test_plans_belong_to_the_episodes_they_were_shown_in():
    env = Maze2DVectorEnv(2, layout="UMaze", render_mode="rgb_array")
    env.reset(seed=0)
    plain, state = env.render(), env.get_state()
    env.show_plan(np.tile([[-1.0, 1.0], [1.0, 1.0]], (2, 1, 1)))
    assert not np.array_equal(env.render(), plain)
    env.set_state(state)
    assert np.array_equal(env.render(), plain)
