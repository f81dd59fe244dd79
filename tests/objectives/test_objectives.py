"""What levels can be asked to do, and what that pays."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.envs import Maze2DVectorEnv
from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import PolicyLevel, RandomLevel
from layeredrl.objectives import EnvironmentReward, GoalReaching, Objective, Pursuit
from layeredrl.objectives.goal_reaching import DistanceReward
from layeredrl.utils.spaces import ObservationLayout
from tests.toys import GoalEnv, NestedGoalEnv

GOALS = GoalReaching(
    spaces.Box(np.array([-1.0, 0.0]), np.array([1.0, 4.0])), achieved=(3, 1), radius=0.5
)
OBS_DIM = 4
# What the policy sees: four features of the observation, then the goal.
NEAR = [9.0, 2.0, 9.0, 1.0, 1.0, 2.5]  # columns 3 and 1: (1, 2), and (1, 2.5) is asked
FAR = [9.0, 2.0, 9.0, 1.0, 1.0, 2.6]
SEEN = np.array([NEAR, FAR], np.float32)
ENV_REWARD = np.array([7.0, 8.0])


def pursuit(level_input, start=0.0, n_decisions=0):
    level_input = np.asarray(level_input, np.float32)
    n = len(level_input)
    start = np.full((n, OBS_DIM), start, np.float32)
    return Pursuit(level_input, start, np.full(n, n_decisions))


# Goals


def test_sparse_rewards_are_paid_up_to_the_radius():
    assert GOALS.reward(SEEN, ENV_REWARD).tolist() == [0.0, -1.0]


def test_dense_rewards_are_minus_the_distance():
    dense = replace(GOALS, reward_type="dense")
    found = dense.reward(SEEN, ENV_REWARD)
    np.testing.assert_allclose(found, [-0.5, -0.6], rtol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize("reward_type", ["sparse", "dense"])
def test_a_goal_that_is_reached_is_done(reward_type):
    goals = replace(GOALS, reward_type=reward_type)
    done = goals.is_done(SEEN)
    assert done.tolist() == [True, False] and done.dtype == bool
    lasting = replace(goals, ends_when_reached=False)
    assert lasting.is_done(SEEN).tolist() == [False, False]


def test_the_condition_is_the_goal():
    obs = np.full((2, OBS_DIM), 99.0, np.float32)
    asked = pursuit([[0.5, 1.0], [-0.5, 3.0]], start=10.0)
    assert GOALS.condition_dim(OBS_DIM) == 2
    assert GOALS.condition(obs, asked).tolist() == [[0.5, 1.0], [-0.5, 3.0]]


def test_an_offset_counts_from_the_start():
    relative = replace(GOALS, is_relative=True)
    asked = pursuit([[0.5, 1.0]], n_decisions=3)
    asked.start[0] = [0.0, 20.0, 0.0, 10.0]
    obs = np.full((1, OBS_DIM), 99.0, np.float32)
    assert relative.condition(obs, asked).tolist() == [[10.5, 21.0]]
    assert asked.level_input.tolist() == [[0.5, 1.0]]


def test_it_asks_for_goals():
    assert GOALS.input_space == GOALS.goal_space


@pytest.mark.parametrize("reward_type", ["sparse", "dense"])
def test_hindsight_puts_what_was_achieved_where_the_goal_is_seen(reward_type):
    goals = replace(GOALS, reward_type=reward_type, hindsight_ratio=0.3)
    hindsight = goals.hindsight(OBS_DIM)
    assert hindsight.achieved == (3, 1) and hindsight.desired == (4, 5)
    assert hindsight.ratio == 0.3 and hindsight.decision_reward == "last"
    achieved, desired = SEEN[:, [3, 1]], SEEN[:, [4, 5]]
    again = hindsight.compute_reward(achieved, desired, [{}, {}])
    np.testing.assert_array_equal(again, goals.reward(SEEN, ENV_REWARD))


def test_without_a_share_there_is_no_hindsight():
    assert replace(GOALS, hindsight_ratio=0.0).hindsight(OBS_DIM) is None


def test_rewards_take_any_number_of_axes():
    pay = DistanceReward(0.5)
    achieved = np.zeros((2, 3, 2))
    desired = np.zeros((2, 3, 2))
    desired[1, 2] = 1.0
    assert pay(achieved, desired).tolist() == [[0, 0, 0], [0, 0, -1]]


@pytest.mark.parametrize(
    "wrong, error, message",
    [
        ({"goal_space": spaces.Discrete(3)}, SpaceError, "Discrete"),
        ({"goal_space": spaces.Box(-np.inf, 1.0, (2,))}, SpaceError, "bounds"),
        ({"achieved": (1,)}, ConfigurationError, r"2 features.*\(1,\)"),
        ({"radius": 0.0}, ConfigurationError, "radius.*0.0"),
        ({"radius": float("nan")}, ConfigurationError, "radius.*nan"),
        ({"reward_type": "sprase"}, ConfigurationError, "'sprase'.*sparse, dense"),
        ({"hindsight_ratio": 1.5}, ConfigurationError, "hindsight_ratio.*1.5"),
    ],
)
def test_what_cannot_work_is_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        replace(GOALS, **wrong)


@pytest.mark.parametrize("achieved", [(0, 4), (-1, 2)])
def test_columns_that_are_not_seen_are_refused(achieved):
    with pytest.raises(SpaceError, match="only 4 features"):
        replace(GOALS, achieved=achieved).condition_dim(OBS_DIM)


# Goals of an environment


def test_goals_of_a_maze():
    env = Maze2DVectorEnv(3, layout="Open")
    reach = GoalReaching.of(env, -1.5, (1.0, 2.0), radius=0.3, is_relative=True)
    assert reach.goal_space.low.tolist() == [-1.5, -1.5]
    assert reach.goal_space.high.tolist() == [1.0, 2.0]
    assert reach.radius == 0.3 and reach.is_relative
    obs, _ = env.reset(seed=0)
    flat = ObservationLayout.of(env.single_observation_space).flatten(obs, 3)
    achieved = flat[:, list(reach.achieved)]
    np.testing.assert_allclose(achieved, obs["achieved_goal"], rtol=1e-6)
    hierarchy = Hierarchy([RandomLevel(), PolicyLevel(objective=reach)], env)
    assert hierarchy.levels[0].spec.action_space == reach.goal_space


def test_goals_of_a_single_environment():
    reach = GoalReaching.of(GoalEnv(noise_keys=2), 0.0, 1.0, radius=0.1)
    assert reach.achieved == (0, 1)  # keys come in alphabetical order


@pytest.mark.parametrize(
    "low, high", [((0.0, 0.0, 0.0), 1.0), (0.0, (1.0,)), (0.0, ((1.0, 1.0),))]
)
def test_bounds_that_do_not_fit_are_refused(low, high):
    with pytest.raises(SpaceError, match="2 features"):
        GoalReaching.of(GoalEnv(), low, high, radius=0.1)


def test_nested_goals_are_all_of_their_features():
    reach = GoalReaching.of(NestedGoalEnv(), 0.0, 1.0, radius=0.1)
    assert len(reach.achieved) == 3


def test_environments_without_goals_are_refused():
    with pytest.raises(SpaceError, match="goal"):
        GoalReaching.of(gym.make("Pendulum-v1"), 0.0, 1.0, radius=0.1)


# The environment's reward


@pytest.mark.parametrize(
    "space, dim", [(None, 0), (spaces.Discrete(3), 3), (spaces.Box(-1, 1, (2, 2)), 4)]
)
def test_the_environments_reward_shows_skills_as_they_are(space, dim):
    objective = EnvironmentReward(space)
    assert objective.input_space is space and objective.condition_dim(OBS_DIM) == dim
    skill = np.arange(dim, dtype=np.float32)[None]
    obs = np.zeros((1, OBS_DIM), np.float32)
    assert (
        objective.condition(obs, pursuit(skill, start=5.0)).tolist() == skill.tolist()
    )


def test_the_environments_reward_is_paid_and_never_done():
    objective = EnvironmentReward(spaces.Discrete(2))
    np.testing.assert_array_equal(objective.reward(SEEN, ENV_REWARD), ENV_REWARD)
    done = objective.is_done(SEEN)
    assert done.tolist() == [False, False] and done.dtype == bool
    assert objective.hindsight(OBS_DIM) is None


def test_objectives_are_immutable():
    for objective in (GOALS, EnvironmentReward()):
        assert isinstance(objective, Objective)
        with pytest.raises(AttributeError):
            objective.radius = 1.0
