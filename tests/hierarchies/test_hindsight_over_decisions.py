"""What a level above hands out takes several steps; hindsight pays for all of them."""

import numpy as np
import pytest

from experiments.running.environments import make_vector_env
from layeredrl.hierarchies import Hierarchy
from layeredrl.learners import SACConfig
from layeredrl.levels import (
    ActionSequenceLevel,
    Exploration,
    LearningSchedule,
    PlannerLevel,
    PolicyLevel,
)
from layeredrl.predictors import (
    PredictorFactory,
    get_default_predictor_factory,
    hindsight_for,
)

OFTEN = LearningSchedule(
    start_env_steps=30, interval_env_steps=30, updates_per_env_step=0.1, batch_size=64
)
RANDOM = Exploration(warm_up_env_steps=10_000)


def policy(env):
    return PolicyLevel(
        SACConfig(hidden_sizes=(8,), gamma=0.9),
        hindsight=hindsight_for(env, ratio=1.0),
        exploration=RANDOM,
        learning=OFTEN,
    )


def planner(env):
    default = get_default_predictor_factory(env, 0)
    factory = PredictorFactory(
        default.partial_model,
        default.partial_val_func,
        default.partial_rew_func,
        default.partial_encoder,
        lambda **parts: default.partial_predictor(
            **parts, hindsight=hindsight_for(env, ratio=1.0)
        ),
    )
    return PlannerLevel(factory, exploration=RANDOM, learning=OFTEN)


@pytest.mark.parametrize("top", [policy, planner])
def test_goals_on_the_way_are_stored_and_pay(top):
    env = make_vector_env("Maze2D-UMaze-v0", 3, {"max_episode_steps": 10})
    hierarchy = Hierarchy([top(env), ActionSequenceLevel(4)], env, seed=0)
    obs, _ = env.reset(seed=0)
    reached, learned = [], {}
    for _ in range(40):
        action = hierarchy.get_action(obs)
        obs, reward, terminated, truncated, info = env.step(action)
        if "final_obs" in info:  # never with NEXT_STEP
            raise AssertionError
        hierarchy.process_transition(obs, reward, terminated, truncated)
        reached.append(obs["achieved_goal"])
        learned |= hierarchy.learn()
    buffer = hierarchy.levels[0].buffer
    path = buffer.info.achieved_goals[0]
    np.testing.assert_allclose(path, np.array(reached)[:4, 0], rtol=1e-6)
    short = buffer.info.achieved_goals[2]  # cut off with the episode, at step 10
    assert buffer.info.n_env_steps[2] == 2
    assert np.isfinite(short[:2]).all() and np.isnan(short[2:]).all()
    assert any("level0" in name for name in learned)
