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
