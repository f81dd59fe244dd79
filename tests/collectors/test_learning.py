"""That it learns, and what for: the random floor is far below."""

from functools import partial

import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from layeredrl.collectors import Collector, evaluate, summarize
from layeredrl.envs import Maze2DVectorEnv
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import (
    ActionSequenceLevel,
    Exploration,
    LearningSchedule,
    PlannerLevel,
    RandomLevel,
)
from layeredrl.nets import GoalReward
from layeredrl.optimizers import ICEMConfig
from layeredrl.planners import CEMPlanner, PlannerConfig
from layeredrl.predictors import (
    PredictorFactory,
    RewardPredictor,
    get_default_predictor_factory,
)
from tests.toys import GoalEnv

pytestmark = pytest.mark.learning
HELD_OUT = 12345


def minus_distance(achieved_goal, desired_goal, info):
    return -np.linalg.norm(achieved_goal - desired_goal, axis=-1)


def known_reward(*dims, device):
    return GoalReward(minus_distance)


def planner(factory, warm_up=1000, horizon=8, updates=0.2):
    return PlannerLevel(
        factory,
        partial(
            CEMPlanner,
            config=PlannerConfig(horizon=horizon),
            search=ICEMConfig(n_candidates=32, n_iterations=2, elite_ratio=0.1),
        ),
        exploration=Exploration(warm_up_env_steps=warm_up, hold=5, noise_std=0.1),
        learning=LearningSchedule(
            start_env_steps=warm_up,
            interval_env_steps=warm_up // 2,
            updates_per_env_step=updates,
            batch_size=128,
            model_batch_size=128,
        ),
    )


def reached(levels, env, test_env, n_steps, n_episodes=40):
    """Train, and evaluate an acting copy and the random floor on the same episodes."""
    hierarchy = Hierarchy(levels, env, seed=0)
    collector = Collector(hierarchy, env)
    collector.reset(0)
    collector.collect(n_steps, show_progress=False)
    agents = [
        hierarchy.acting_copy(test_env, 1),
        Hierarchy([RandomLevel(), *levels[1:]], test_env, seed=1),
    ]
    return [
        summarize(evaluate(agent, test_env, n_episodes, HELD_OUT)) for agent in agents
    ]


def mazes(n, limit):
    return Maze2DVectorEnv(n, layout="Open", max_episode_steps=limit)


@pytest.mark.parametrize("n_actions", [1, 3])
def test_crosses_an_open_maze(n_actions):
    env = mazes(8, 60)
    arguments = get_default_predictor_factory(env, 0).constructor_arguments()
    arguments["partial_rew_func"] = known_reward
    arguments["partial_predictor"] = partial(
        RewardPredictor, learn_encoder=False, model_lr=3e-3
    )
    levels = [
        planner(PredictorFactory(**arguments), horizon=8 if n_actions == 1 else 3)
    ]
    if n_actions > 1:
        levels.append(ActionSequenceLevel(n_actions))
    agent, floor = reached(levels, env, mazes(20, 100), 2500)
    assert agent["success_any"] >= 0.9 and agent["success_last"] >= 0.9
    assert floor["success_any"] <= 0.1


def test_reaches_goals_with_a_learned_reward():
    def env(n):
        return SyncVectorEnv([lambda: GoalEnv(length=20)] * n)

    levels = [planner(get_default_predictor_factory(env(1), 0), 600, 5, 0.5)]
    agent, floor = reached(levels, env(8), env(20), 1800)
    # The way there alone costs about 2 on average; standing still costs 15.
    assert agent["return_mean"] > -6 and floor["return_mean"] < -13
