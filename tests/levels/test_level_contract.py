"""Our levels keep the contract."""

import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.levels import (
    ActionSequenceLevel,
    ConstantLevel,
    RandomLevel,
)
from tests.levels.level_contract import CONTRACT, LevelCase
from tests.toy_levels import (
    NO_EXPLORATION,
    QUICK_CHOICE,
    Counter,
    Diary,
    planner_level,
    predictor_with,
    steady_level,
)

BOX = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 4], np.float32))
CHOICE = spaces.Discrete(3, start=5)

CASES = {
    "random": LevelCase(RandomLevel, BOX, is_deterministic=False),
    "random-choice": LevelCase(RandomLevel, CHOICE, is_deterministic=False),
    "constant": LevelCase(lambda: ConstantLevel((0.5, 3.0)), BOX),
    "constant-choice": LevelCase(lambda: ConstantLevel(6), CHOICE),
    "sequence": LevelCase(lambda: ActionSequenceLevel(3), BOX),
    "sequence-choice": LevelCase(lambda: ActionSequenceLevel(3), CHOICE),
    "planner": LevelCase(planner_level, BOX, is_deterministic=False),
    "planner-choice": LevelCase(
        lambda: planner_level(partial_planner=QUICK_CHOICE, exploration=NO_EXPLORATION),
        CHOICE,
        is_deterministic=False,
    ),
    "planner-steady": LevelCase(steady_level, BOX),
    "planner-steady-choice": LevelCase(steady_level, CHOICE),
    "planner-sum-of-rewards": LevelCase(
        lambda: steady_level(use_mean_reward=False), BOX
    ),
    "planner-memory": LevelCase(
        lambda: steady_level(predictor_factory=predictor_with(Diary)), BOX
    ),
    "counter": LevelCase(lambda: Counter(n_decisions=2, scale=0.01), BOX),
}


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CASES)
def test_contract(name, check, tmp_path):
    check(CASES[name], tmp_path)
