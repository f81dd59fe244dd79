"""Every encoder, a user's own too, goes through the contract."""

from functools import partial

import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.nets import EncoderNet, IdentityEncoder
from layeredrl.nets.cnn import DrQCNN, GridworldCNN, IMPALAishCNN, NatureishCNN
from layeredrl.utils.spaces import ObservationLayout
from tests.nets.backbones import (
    BOX,
    CHOICE,
    FF,
    GRU,
    MAMBA,
    NESTED,
    SIGHT,
    TRAJ_ENCODERS,
    TRANSFORMER,
    backbone,
    pictures,
    seeing,
)
from tests.nets.encoder_contract import CONTRACT, EncoderCase
from tests.toy_levels import Diary, Looks
from tests.toys import unbounded

SMALLEST = {NatureishCNN: 36, DrQCNN: 15, IMPALAishCNN: 16, GridworldCNN: 4}
MATRICES = spaces.Box(-1.0, 1.0, (2, 2), np.float32)


def case(space=unbounded(3), actions=BOX, **kwargs):
    """A backbone's case."""
    build = partial(backbone, space, actions, **kwargs)
    return EncoderCase(build, ObservationLayout.of(space).shape, actions)


def sees(cnn_type, traj=None, **kwargs):
    step = seeing(cnn_type, **kwargs)
    space = pictures(SMALLEST[cnn_type], kwargs.get("channels_first", False))
    return case(space, step=step, traj=traj)


CASES = {
    "identity": EncoderCase(lambda: IdentityEncoder((3,))),
    "learned": EncoderCase(lambda: EncoderNet((3,), 2, 1)),
    "diary": EncoderCase(lambda: Diary((3,))),
    "looks": EncoderCase(
        lambda: Looks({"camera": (2, 3), "vector": (3,)}),
        {"camera": (2, 3), "vector": (3,)},
    ),
    **{name: case(traj=traj) for name, traj in TRAJ_ENCODERS.items()},
    "choices": case(actions=CHOICE),
    "matrices": case(actions=MATRICES, traj=TRANSFORMER),
    "nested": case(
        NESTED, traj=MAMBA, state_keys=("place",), context_keys=("goal.light",)
    ),
    "columns-only": case(
        state_keys=("",), n_state_features=0, n_context_features=0, traj=GRU
    ),
    "sight": case(SIGHT, state_keys=("state",)),
    "sight-none": case(SIGHT, traj=None),
    "picture-alone": EncoderCase(
        partial(backbone, pictures(4)["observation"], step=seeing(GridworldCNN)),
        {"vector": (0,), "": (4, 4, 3)},
    ),
    **{cnn_type.__name__: sees(cnn_type) for cnn_type in SMALLEST},
    "pixels-gru": sees(GridworldCNN, GRU),
    "pixels-transformer": sees(GridworldCNN, TRANSFORMER, channels_first=True),
    "pixels-mamba-shifted": sees(GridworldCNN, MAMBA, drqv2_aug=True),
    "pixels-ff": sees(DrQCNN, FF),
}


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CASES)
def test_contract(name, check):
    check(CASES[name])
