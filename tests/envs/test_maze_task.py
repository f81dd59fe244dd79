import numpy as np
import pytest

from layeredrl.envs.maze_task import MazeTask
from layeredrl.errors import ConfigurationError


def test_actions_are_clipped_per_component():
    actions = np.array([[2.0, -0.5], [-np.inf, np.inf]], dtype=np.float32)
    expected = [[0.1, -0.05], [-0.1, 0.1]]
    np.testing.assert_allclose(MazeTask().displacements(actions), expected)
    assert actions[0, 0] == 2.0


def test_integer_actions_work():
    assert MazeTask().displacements(np.array([[1, 0]])).tolist() == [[0.1, 0.0]]


def test_nan_actions_name_the_instance():
    actions = np.zeros((5, 2))
    actions[[1, 3], [0, 1]] = np.nan
    with pytest.raises(ConfigurationError, match="instance 1, 3 is NaN"):
        MazeTask().displacements(actions)


def test_nan_actions_that_do_not_count_are_ignored():
    actions = np.array([[np.nan, 1.0], [1.0, 1.0]])
    ignored = np.array([True, False])
    assert MazeTask().displacements(actions, ignored).tolist() == [[0, 0], [0.1, 0.1]]
    with pytest.raises(ConfigurationError, match="instance 0 is NaN"):
        MazeTask().displacements(actions, ~ignored)


def test_unknown_reward_types_and_layouts_are_refused():
    with pytest.raises(ConfigurationError, match="'shaped'; known: dense, sparse"):
        MazeTask(reward_type="shaped")
    with pytest.raises(ConfigurationError, match="'medium'; known: .*Corridor"):
        MazeTask("medium")


def test_a_map_of_ones_own_replaces_the_layout():
    task = MazeTask("Giant", maze_map=["000", "010"])
    assert task.maze.walls.tolist() == [[False] * 3, [False, True, False]]
    box = task.observation_space["observation"]
    assert box.low.tolist() == [-1.5, -1.0] and box.high.tolist() == [1.5, 1.0]
