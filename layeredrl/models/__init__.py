"""Dynamics models: what happens next, and how sure one can be."""

from layeredrl.models.known_dynamics import KnownDynamics
from layeredrl.models.model import Model
from layeredrl.models.probabilistic_ensemble import (
    EnsembleConfig,
    ProbabilisticEnsemble,
)
from layeredrl.models.random_dynamics import RandomDynamics

__all__ = [
    "EnsembleConfig",
    "KnownDynamics",
    "Model",
    "ProbabilisticEnsemble",
    "RandomDynamics",
]
