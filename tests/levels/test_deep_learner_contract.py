"""Levels with a world model or a memory keep the contract of all levels, too."""

import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.learners import SequenceActorCriticConfig, TDMPC2Config
from layeredrl.levels import (
    ActorCriticLevel,
    Exploration,
    LearningSchedule,
    TDMPC2Level,
)
from layeredrl.objectives import GoalReaching
from tests.learners.sequence_cases import TRAJ_ENCODERS, TSTEP
from tests.learners.tdmpc2_cases import FAST
from tests.levels.level_contract import CONTRACT, LevelCase

BOX = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 4], np.float32))
CHOICE = spaces.Discrete(3, start=5)
RARELY = LearningSchedule(
    start_env_steps=10, interval_env_steps=8, updates_per_env_step=0.05, batch_size=4
)
SETTINGS = {
    "learning": RARELY,
    "exploration": Exploration(warm_up_env_steps=12),
    "buffer_size": 400,
}
GOALS = GoalReaching(spaces.Box(-1, 1, (2,)), achieved=(2, 0), radius=0.5)


def tdmpc2(options=(), **fields):
    config = TDMPC2Config(**FAST | dict(options))
    return lambda: TDMPC2Level(config, **SETTINGS | fields)


def sequence(traj_encoder="gru", options=(), **fields):
    config = SequenceActorCriticConfig(
        tstep_encoder=TSTEP,
        traj_encoder=TRAJ_ENCODERS[traj_encoder],
        max_seq_len=6,
        actor_hidden=(1, 8),
        critic_hidden=(1, 8),
        **dict(options),
    )
    return lambda: ActorCriticLevel(config, **SETTINGS | fields)


CASES = {
    "tdmpc2-policy": (tdmpc2({"use_policy": True}), BOX),
    "tdmpc2-planning": (tdmpc2(), BOX),
    "tdmpc2-goals": (tdmpc2(objective=GOALS, n_decisions=3), BOX),
    "sequence-gru": (sequence(), BOX),
    "sequence-transformer-choice": (sequence("transformer"), CHOICE),
    "sequence-mamba-choice": (sequence("mamba", {"critic": "two_hot"}), CHOICE),
    "sequence-goals": (sequence(objective=GOALS, n_decisions=3), BOX),
}
SLOW = {"tdmpc2-goals", "sequence-transformer-choice", "sequence-mamba-choice"}
NAMES = [
    pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CASES
]


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_contract(name, check, tmp_path):
    recipe, space = CASES[name]
    # Before rewards are learned, all plans are worth the same, and rounding, which depends
    # on who is planned for together, chooses between them.
    is_search = name in ("tdmpc2-planning", "tdmpc2-goals")
    case = LevelCase(recipe, space, is_deterministic=not is_search, n_steps=10)
    check(case, tmp_path)
