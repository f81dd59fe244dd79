"""Tiny backbones of every kind, for tests that go through all of them."""

from functools import partial

import numpy as np
from gymnasium import spaces

from layeredrl.nets import BackboneEncoder
from layeredrl.nets.traj_encoders import (
    FFTrajEncoder,
    GRUTrajEncoder,
    MambaTrajEncoder,
    TformerTrajEncoder,
)
from layeredrl.nets.tstep_encoders import CNNTstepEncoder, FFTstepEncoder
from layeredrl.utils.spaces import ObservationLayout
from tests.toys import unbounded

MAX_SEQ_LEN = 8
BOX = spaces.Box(-1.0, 1.0, (2,), np.float32)
CHOICE = spaces.Discrete(3, start=5)

STEP = partial(FFTstepEncoder, n_layers=1, d_hidden=8, d_output=8)
GRU = partial(GRUTrajEncoder, d_hidden=8, n_layers=2, d_output=6)
TRANSFORMER = partial(TformerTrajEncoder, d_model=8, n_heads=2, d_ff=8, n_layers=2)
MAMBA = partial(MambaTrajEncoder, d_model=6, d_state=4, n_layers=2)
FF = partial(FFTrajEncoder, d_model=8)
WITH_MEMORY = {"gru": GRU, "transformer": TRANSFORMER, "mamba": MAMBA}
TRAJ_ENCODERS = {**WITH_MEMORY, "ff": FF, "none": None}
"""By name; ``None`` for no trajectory encoder at all."""

NESTED = spaces.Dict(
    {
        "goal": spaces.Dict({"kettle": unbounded(2), "light": unbounded(1)}),
        "place": unbounded(2),
    }
)
SIGHT = spaces.Dict(
    {"camera": spaces.Box(0, 255, (8, 8, 3), np.uint8), "state": unbounded(2)}
)


def pictures(side, channels_first=False):
    """Space of square pictures and nothing else."""
    shape = (3, side, side) if channels_first else (side, side, 3)
    return spaces.Dict({"observation": spaces.Box(0, 255, shape, np.uint8)})


def seeing(cnn_type, **kwargs):
    """A time-step encoder with a CNN."""
    sizes = {"img_features": 6, "rl2_features": 3, "d_output": 8}
    return partial(CNNTstepEncoder, cnn_type=cnn_type, **{**sizes, **kwargs})


def backbone(space=unbounded(3), actions=BOX, step=STEP, traj=GRU, **kwargs):
    """Build a tiny backbone encoder."""
    features = {"n_state_features": 3, "n_context_features": 2}
    return BackboneEncoder(
        ObservationLayout.of(space).shape,
        space,
        actions,
        step,
        traj,
        **{"max_seq_len": MAX_SEQ_LEN, **features, **kwargs},
    )
