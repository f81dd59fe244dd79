"""Functions of goals that are named instead of held."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

import layeredrl.envs
from layeredrl.envs import Maze2DEnv
from layeredrl.errors import CheckpointError, ConfigurationError
from layeredrl.predictors import EnvironmentGoalFunction, environment_goal_function
from layeredrl.utils.recipe_codec import decode, encode
from tests.toys import GoalEnv

gym.register_envs(layeredrl.envs)
SPARSE = {"reward_type": "sparse"}
GOALS = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
REACHED = np.array([[0.1, 0.0], [1.0, 0.0], [2.0, 0.2]])
INFOS = [{}] * 3


class SingleGoals(GoalEnv):
    """Judges one goal at a time, as some mazes do."""

    def compute_reward(self, achieved_goal, desired_goal, info):
        return float(-np.linalg.norm(achieved_goal - desired_goal))

    def compute_terminated(self, achieved_goal, desired_goal, info):
        return bool(np.linalg.norm(achieved_goal - desired_goal) < 0.5)


@pytest.fixture(autouse=True, scope="module")
def registered():
    gym.register("SingleGoals-v0", SingleGoals)
    yield
    del gym.registry["SingleGoals-v0"]


def test_says_what_the_environment_says():
    function = EnvironmentGoalFunction("Maze2D-Open-v0", SPARSE)
    assert function(REACHED, GOALS, INFOS).tolist() == [1.0, 0.0, 1.0]
    options = {"terminate_on_success": True}
    ends = EnvironmentGoalFunction("Maze2D-Open-v0", options, "compute_terminated")
    assert ends(REACHED, GOALS, INFOS).tolist() == [True, False, True]


def test_single_goals_are_judged_one_by_one():
    function = EnvironmentGoalFunction("SingleGoals-v0")
    expected = -np.linalg.norm(REACHED - GOALS, axis=1)
    np.testing.assert_allclose(function(REACHED, GOALS, INFOS), expected)
    ends = EnvironmentGoalFunction("SingleGoals-v0", name="compute_terminated")
    assert ends(REACHED, GOALS, INFOS).tolist() == [True, False, True]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda f: pickle.loads(_pickle(f))])
def test_copies_hold_no_environment(copied):
    function = EnvironmentGoalFunction("Maze2D-Open-v0", SPARSE)
    function(REACHED, GOALS, INFOS)
    another = copied(function)
    assert vars(another) == function.constructor_arguments()
    assert another(REACHED, GOALS, INFOS).tolist() == [1.0, 0.0, 1.0]


def _pickle(value):
    return pickle.dumps(value)


def test_is_written_into_checkpoints():
    function = EnvironmentGoalFunction("Maze2D-Open-v0", SPARSE)
    function(REACHED, GOALS, INFOS)
    again = decode(encode(function))
    assert type(again) is EnvironmentGoalFunction
    assert again.constructor_arguments() == function.constructor_arguments()
    assert "_function" not in vars(again)  # reading a file makes no environment


def test_a_file_can_have_nothing_imported():
    """Gymnasium would import what stands before a colon."""
    function = decode(encode(EnvironmentGoalFunction("this:Any-v0")))
    with pytest.raises(ConfigurationError, match="no environment 'this:Any-v0' here"):
        function(REACHED, GOALS, INFOS)
    written = encode(EnvironmentGoalFunction("Maze2D-Open-v0"))
    written["arguments"]["name"] = "close"
    with pytest.raises(CheckpointError, match="unknown function 'close'"):
        decode(written)


def test_functions_that_there_are_not_are_refused():
    with pytest.raises(
        ConfigurationError, match="unknown function 'step'; known: comp"
    ):
        EnvironmentGoalFunction("Maze2D-Open-v0", name="step")
    function = EnvironmentGoalFunction("CartPole-v1")
    with pytest.raises(ConfigurationError, match="has no compute_reward"):
        function(REACHED, GOALS, INFOS)


WAYS = {
    "single": lambda: gym.make("Maze2D-Open-v0", **SPARSE, render_mode="rgb_array"),
    "native": lambda: gym.make_vec("Maze2D-Open-v0", 3, **SPARSE),
    "native, with more arguments": lambda: gym.make_vec(
        "Maze2D-Open-v0",
        3,
        **SPARSE,
        max_episode_steps=7,
        autoreset_mode="SameStep",
        render_mode="rgb_array",
    ),
    "sync": lambda: gym.make_vec(
        "Maze2D-Open-v0",
        3,
        vectorization_mode="sync",
        wrappers=[gym.wrappers.FlattenObservation],
        **SPARSE,
    ),
    "sync by hand": lambda: SyncVectorEnv(
        [lambda: gym.make("Maze2D-Open-v0", **SPARSE)] * 2
    ),
    "async": lambda: gym.make_vec(
        "Maze2D-Open-v0", 1, vectorization_mode="async", **SPARSE
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_is_found_however_the_environment_was_made(way):
    env = WAYS[way]()
    function = environment_goal_function(env)
    env.close()
    assert type(function) is EnvironmentGoalFunction
    wanted = {"env_id": "Maze2D-Open-v0", "env_kwargs": {"layout": "Open", **SPARSE}}
    assert function.constructor_arguments() == wanted | {"name": "compute_reward"}
    assert function(REACHED, GOALS, INFOS).tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    "make", [lambda: Maze2DEnv(**SPARSE), lambda: SyncVectorEnv([GoalEnv])]
)
def test_of_an_environment_that_has_no_id_it_is_the_method(make):
    function = environment_goal_function(make())
    assert not isinstance(function, EnvironmentGoalFunction)
    assert function(REACHED, GOALS, INFOS).shape == (3,)


@pytest.mark.parametrize("env_id", ["Pendulum-v1", None])
def test_a_missing_one_is_missed_at_once(env_id):
    env = gym.make_vec(env_id, 2) if env_id else SyncVectorEnv([_without_reward])
    with pytest.raises(ConfigurationError, match="no compute_reward.*another goal"):
        environment_goal_function(env)


def _without_reward():
    class Env(gym.Env):
        observation_space = action_space = gym.spaces.Discrete(2)

    return Env()
