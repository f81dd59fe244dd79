"""Skill levels keep the contract of all levels, whatever the learner."""

import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.learners import (
    DiscreteSACConfig,
    DQNConfig,
    SACConfig,
    TD3Config,
    TDMPC2Config,
)
from layeredrl.levels import DADSLevel, SPlaTESLevel
from tests.learners.tdmpc2_cases import FAST
from tests.levels.level_contract import CONTRACT, LevelCase, World, build
from tests.levels.skill_cases import parent
from tests.levels.test_policy_level_contract import OFTEN, SMALL, WARM_UP

BOX = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 4], np.float32))
CHOICE = spaces.Discrete(3, start=5)
SHARED = {
    "learning": OFTEN,
    "exploration": WARM_UP,
    "buffer_size": 400,
    "n_skill_samples": 4,
    "fixed_std": 0.5,
}


def splates(learner, **options):
    return lambda: SPlaTESLevel(
        **{"learner": learner, "control_interval": 3, **SHARED, **options}
    )


def dads(learner, **options):
    return lambda: DADSLevel(**{"learner": learner, **SHARED, **options})


RECIPES = {
    "sac": (splates(SACConfig(**SMALL, n_steps=3)), BOX),
    "td3-differences": (splates(TD3Config(**SMALL), potential_differences=True), BOX),
    "dqn-choices": (splates(DQNConfig(**SMALL), n_skills=3), CHOICE),
    "tdmpc2": (
        splates(TDMPC2Config(**FAST), policy_only=True, control_interval=4),
        BOX,
    ),
    "sac-early-ends": (
        splates(SACConfig(**SMALL), termination_probability=0.2, n_value_samples=0),
        BOX,
    ),
    "dads": (dads(SACConfig(**SMALL)), BOX),
    "dads-choices": (dads(DiscreteSACConfig(**SMALL), n_skills=4), CHOICE),
}


def case(name):
    recipe, space = RECIPES[name]
    skills = recipe().input_space(space)
    return LevelCase(
        recipe,
        space,
        # Control goes back by chance, whoever is asked first.
        is_deterministic=name != "sac-early-ends",
        n_steps=12,
        parent_predictor=lambda: parent(skills),
    )


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", RECIPES)
def test_contract(name, check, tmp_path):
    check(case(name), tmp_path)


@pytest.mark.parametrize("name", RECIPES)
def test_the_contract_is_about_levels_that_have_learned(name):
    level = build(case(name))
    before = level.acting_state()["learner"]
    World(case(name)).drive(level)
    after = level.acting_state()["learner"]
    assert level.n_updates >= 2
    key = "policy" if "policy" in before else "model"
    moved = [bool((before[key][x] != after[key][x]).any()) for x in before[key]]
    assert any(moved)
    assert float(level._replay.score) != 0.0
