"""What carries memory along an episode, by name."""

from collections.abc import Callable
from functools import partial
from typing import Literal

from layeredrl.nets.traj_encoders import (
    FFTrajEncoder,
    GRUTrajEncoder,
    MambaTrajEncoder,
    TformerTrajEncoder,
    TrajEncoder,
)

Backbone = Literal["gru", "transformer", "mamba", "none"]


def backbones(width: int) -> dict[Backbone, Callable[..., TrajEncoder]]:
    """Describe small trajectory encoders.

    Args:
        width: Features that they carry.

    Returns:
        What builds each; ``none`` looks at single steps.
    """
    return {
        "gru": partial(GRUTrajEncoder, d_hidden=width, n_layers=1, d_output=width),
        "transformer": partial(
            TformerTrajEncoder,
            d_model=width,
            n_heads=2,
            d_ff=2 * width,
            n_layers=2,
            dropout_ff=0.0,
            dropout_emb=0.0,
        ),
        "mamba": partial(
            MambaTrajEncoder, d_model=width, d_state=4, expand=1, n_layers=1
        ),
        "none": partial(FFTrajEncoder, d_model=width, d_ff=2 * width, n_layers=2),
    }
