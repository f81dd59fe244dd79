"""A hierarchy that is handed what another one logged is left as if it had acted itself."""

import numpy as np
import pytest

from experiments.running.environments import make_vector_env
from layeredrl.collectors import LocalExperience
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
from layeredrl.learners import (
    DQNConfig,
    PPOConfig,
    SACConfig,
    SequenceActorCriticConfig,
    TDMPC2Config,
)
from layeredrl.levels import (
    ActionSequenceLevel,
    ConstantLevel,
    Exploration,
    PolicyLevel,
    RandomLevel,
    RunningLevel,
    SPlaTESLevel,
)
from layeredrl.predictors import get_default_predictor_factory
from tests.same import assert_same
from tests.toy_levels import planner_level

MAZE, CART = "Maze2D-Open-v0", "CartPole-v1"
SMALL = {"exploration": Exploration(warm_up_env_steps=20, hold=2)}


def maze_planner(env, **changes):
    factory = get_default_predictor_factory(env, 0)
    return planner_level(predictor_factory=factory, **changes)


def policy(learner, **changes):
    return lambda env: [PolicyLevel(learner=learner, **changes)]


def relabelled(env):
    return [
        maze_planner(env, exploration=Exploration(10)),
        ActionSequenceLevel(3),
    ]


LEVELS = {
    "planner": (MAZE, lambda env: [maze_planner(env)]),
    "planner over sequences": (MAZE, relabelled),
    "skills": (
        MAZE,
        lambda env: [
            maze_planner(env),
            SPlaTESLevel(learner=SACConfig(hidden_sizes=(8,)), **SMALL),
        ],
    ),
    "sac": (MAZE, policy(SACConfig(hidden_sizes=(8,)), **SMALL)),
    "dqn": (CART, policy(DQNConfig(hidden_sizes=(8,)), **SMALL)),
    "ppo": (CART, policy(PPOConfig(hidden_sizes=(8,)))),
    "sequence": (CART, policy(SequenceActorCriticConfig(), **SMALL)),
    "tdmpc2": (MAZE, policy(TDMPC2Config(use_policy=True), **SMALL)),
    "random": (MAZE, lambda env: [RandomLevel(), ActionSequenceLevel(2)]),
    "constant": (CART, lambda env: [ConstantLevel(1)]),
}


def learned_from(hierarchy):
    """All that learning depends on, but for what belongs to acting."""
    return [
        {
            "buffer": level.buffer_state(),
            "acting": level.acting_state(),
        }
        for level in hierarchy.levels
    ]


@pytest.mark.parametrize("name", LEVELS)
def test_what_is_logged_is_what_is_stored(name):
    env_id, build = LEVELS[name]
    env = make_vector_env(env_id, 3, {"max_episode_steps": 15})
    levels = build(env)
    acting, learning = (Hierarchy(levels, env, seed=0) for _ in range(2))
    acting.start_forwarding()
    experience = LocalExperience(env, acting)
    experience.reset(seed=1)
    learning.reset()
    acting.take_forwarded()
    for _ in range(40):
        step = experience.step()
        learning.add_forwarded(acting.take_forwarded(), int(step.taken.sum()))
    assert learning.n_env_steps == acting.n_env_steps > 80
    assert_same(learned_from(learning), learned_from(acting))
    env.close()


class Secretive(RunningLevel):
    """Learns something that it does not tell of."""

    def get_action(self, obs, level_input, instances):
        return np.zeros((len(instances), 2), np.float32)

    def process_transition(self, transition):
        return np.ones(len(transition.instances), bool)

    def reset(self, instances):
        return None

    def learn(self, n_total_env_steps):
        return {"learned": 1.0}


def test_a_level_that_learns_in_secret_is_refused():
    env = make_vector_env(MAZE, 1, {})
    hierarchy = Hierarchy([RandomLevel()], env)
    hierarchy.levels = [Secretive(hierarchy.levels[0].spec)]
    with pytest.raises(ConfigurationError, match="Secretive.*start_forwarding"):
        hierarchy.start_forwarding()
