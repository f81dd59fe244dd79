import pytest
from gymnasium.vector import SyncVectorEnv

from experiments.environments import make_vector_env
from layeredrl.envs import Maze2DVectorEnv
from layeredrl.errors import ConfigurationError


def test_a_native_vector_environment_is_preferred():
    env = make_vector_env("Maze2D-Open-v0", 3, {})
    assert isinstance(env.unwrapped, Maze2DVectorEnv)
    assert env.num_envs == 3


def test_others_are_stepped_in_this_process():
    env = make_vector_env("Pendulum-v1", 2, {})
    assert isinstance(env.unwrapped, SyncVectorEnv)
    env.close()


def test_keyword_arguments_reach_the_environment():
    env = make_vector_env("Maze2D-Open-v0", 1, {"position_noise": 0.0})
    first, _ = env.reset(seed=0)
    positions = {tuple(env.reset()[0]["observation"][0]) for _ in range(20)}
    assert len(positions) <= 4


def test_an_unknown_id_names_near_ones():
    with pytest.raises(ConfigurationError, match="Maze2D-Medium-v0"):
        make_vector_env("Maze2D-Medum-v0", 1, {})


def test_an_unknown_argument_is_named():
    with pytest.raises(ConfigurationError, match="colour"):
        make_vector_env("Maze2D-Open-v0", 1, {"colour": "red"})
