"""Levels with learned policies keep the contract of all levels, whatever the learner."""

import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.learners import (
    A2CConfig,
    DDPGConfig,
    DiscreteSACConfig,
    DQNConfig,
    PPOConfig,
    REDQConfig,
    SACConfig,
    TD3Config,
)
from layeredrl.levels import Exploration, LearningSchedule, PolicyLevel
from layeredrl.objectives import EnvironmentReward, GoalReaching
from tests.levels.level_contract import CONTRACT, LevelCase, World, build

BOX = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 4], np.float32))
CHOICE = spaces.Discrete(3, start=5)
SMALL = {"hidden_sizes": (8,), "lr": 1e-2}
# Updates take most of the time; a few in every drive are enough.
OFTEN = LearningSchedule(
    start_env_steps=10, interval_env_steps=8, updates_per_env_step=0.06, batch_size=8
)
WARM_UP = Exploration(warm_up_env_steps=12)
GOALS = GoalReaching(
    spaces.Box(-1, 1, (2,)), achieved=(2, 0), radius=0.5, hindsight_ratio=0.5
)


def off_policy(learner, **options):
    return lambda: PolicyLevel(
        learner, learning=OFTEN, exploration=WARM_UP, buffer_size=400, **options
    )


def on_policy(learner, **options):
    rarely = LearningSchedule(start_env_steps=0, interval_env_steps=24)
    return lambda: PolicyLevel(learner, learning=rarely, buffer_size=400, **options)


BOX_CASES = {
    "sac": off_policy(SACConfig(**SMALL)),
    "sac-fixed-alpha": off_policy(SACConfig(**SMALL, alpha=0.1, n_steps=3)),
    "td3": off_policy(TD3Config(**SMALL)),
    "ddpg": off_policy(DDPGConfig(**SMALL, n_steps=2)),
    "redq": off_policy(REDQConfig(**SMALL, actor_delay=2, n_critics=3)),
    "ppo": on_policy(PPOConfig(**SMALL, n_epochs=2, minibatch_size=16)),
    "a2c": on_policy(A2CConfig(**SMALL)),
    "skills": off_policy(
        SACConfig(**SMALL), objective=EnvironmentReward(CHOICE), n_decisions=3
    ),
    "goals": off_policy(SACConfig(**SMALL, n_steps=2), objective=GOALS, n_decisions=3),
    "ppo-goals": on_policy(PPOConfig(**SMALL), objective=GOALS, n_decisions=3),
}
CHOICE_CASES = {
    "dqn": off_policy(DQNConfig(**SMALL, target_update_interval=2)),
    "discrete-sac": off_policy(DiscreteSACConfig(**SMALL)),
    "ppo-choice": on_policy(PPOConfig(**SMALL, n_epochs=2)),
    "a2c-choice": on_policy(A2CConfig(**SMALL)),
}
CASES = {
    name: LevelCase(recipe, space, n_steps=12)
    for cases, space in ((BOX_CASES, BOX), (CHOICE_CASES, CHOICE))
    for name, recipe in cases.items()
}
# Of these, nearly everything runs in another case too.
SIMILAR = {
    "sac": "skills",
    "sac-fixed-alpha": "skills",
    "ddpg": "td3",
    "a2c": "ppo",
    "a2c-choice": "ppo-choice",
    "ppo-goals": "goals",
}
NAMES = [
    pytest.param(name, marks=[pytest.mark.slow] * (name in SIMILAR)) for name in CASES
]


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_contract(name, check, tmp_path):
    check(CASES[name], tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_the_contract_is_about_levels_that_have_learned(name):
    level = build(CASES[name])
    before = level.acting_state()["learner"]["policy"]
    World(CASES[name]).drive(level)
    after = level.acting_state()["learner"]["policy"]
    assert level.n_updates >= 2
    assert all((before[key] != after[key]).any() for key in before)
