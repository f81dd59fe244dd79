"""Trajectory encoders: sequence models that carry memory along an episode."""

from layeredrl.nets.ff_traj_encoder import FFTrajEncoder
from layeredrl.nets.gru_traj_encoder import GRUTrajEncoder
from layeredrl.nets.mamba_traj_encoder import MambaTrajEncoder
from layeredrl.nets.tformer_traj_encoder import TformerTrajEncoder
from layeredrl.nets.traj_encoder import TrajEncoder

__all__ = [
    "FFTrajEncoder",
    "GRUTrajEncoder",
    "MambaTrajEncoder",
    "TformerTrajEncoder",
    "TrajEncoder",
]
