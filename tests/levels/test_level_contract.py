"""Our levels keep the contract."""

from functools import partial

import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.levels import (
    ActionSequenceLevel,
    ConstantLevel,
    RandomLevel,
)
from layeredrl.nets import BackboneEncoder
from layeredrl.nets.cnn import GridworldCNN
from tests.levels.level_contract import CONTRACT, LevelCase
from tests.nets.backbones import GRU, MAMBA, STEP, TRANSFORMER, pictures, seeing
from tests.toy_levels import (
    BUSY_EXPLORATION,
    NO_EXPLORATION,
    QUICK_CHOICE,
    Counter,
    Diary,
    planner_level,
    predictor_with,
    steady_level,
)
from tests.toys import unbounded

BOX = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 4], np.float32))
CHOICE = spaces.Discrete(3, start=5)


def remembering(traj):
    """A backbone that learns, too, however little."""
    encoder = partial(
        BackboneEncoder,
        observation_space=unbounded(3),
        action_space=BOX,
        partial_tstep_encoder=STEP,
        partial_traj_encoder=traj,
        max_seq_len=6,
        n_state_features=2,
        n_context_features=2,
    )
    return predictor_with(encoder, learn_encoder=True, encoder_warm_up=0, k_steps=2)


SEEING = predictor_with(
    partial(
        BackboneEncoder,
        observation_space=pictures(4),
        action_space=CHOICE,
        partial_tstep_encoder=seeing(GridworldCNN),
        # Dropout would draw from the global generator, which checkpoints of runs keep.
        partial_traj_encoder=partial(TRANSFORMER, dropout_ff=0.0, dropout_emb=0.0),
        max_seq_len=6,
        n_state_features=2,
    ),
    learn_encoder=True,
    encoder_warm_up=0,
    k_steps=2,
)

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
    **{
        f"planner-{name}": LevelCase(
            lambda traj=traj: steady_level(
                predictor_factory=remembering(traj), exploration=BUSY_EXPLORATION
            ),
            BOX,
        )
        for name, traj in {"gru": GRU, "mamba": MAMBA}.items()
    },
    "planner-transformer-pixels-choice": LevelCase(
        lambda: steady_level(predictor_factory=SEEING),
        CHOICE,
        {"vector": (0,), "observation": (4, 4, 3)},
    ),
    "counter": LevelCase(lambda: Counter(n_decisions=2, scale=0.01), BOX),
}


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CASES)
def test_contract(name, check, tmp_path):
    check(CASES[name], tmp_path)
