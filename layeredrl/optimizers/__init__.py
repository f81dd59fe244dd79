"""Black-box sequence optimizers: batched objective in, solution out."""

from layeredrl.optimizers.bounds import Bounds
from layeredrl.optimizers.box_optimizer import BoxOptimizer
from layeredrl.optimizers.categorical_cem import CategoricalCEM, CategoricalCEMConfig
from layeredrl.optimizers.cem import CEM, CEMConfig
from layeredrl.optimizers.colored_noise import colored_noise
from layeredrl.optimizers.elites import Elites
from layeredrl.optimizers.gaussian import Gaussian
from layeredrl.optimizers.gradient import Gradient, GradientConfig
from layeredrl.optimizers.icem import ICEM, ICEMConfig
from layeredrl.optimizers.mppi import MPPI, MPPIConfig
from layeredrl.optimizers.optimizer import Objective, Optimizer, Solution
from layeredrl.optimizers.random_shooting import RandomShooting, RandomShootingConfig
from layeredrl.optimizers.refined import Refined, RefinedConfig
from layeredrl.optimizers.search import Search
from layeredrl.optimizers.shifting import shift_sequences

__all__ = [
    "Bounds",
    "BoxOptimizer",
    "CEM",
    "CEMConfig",
    "CategoricalCEM",
    "CategoricalCEMConfig",
    "Elites",
    "Gaussian",
    "Gradient",
    "GradientConfig",
    "ICEM",
    "ICEMConfig",
    "MPPI",
    "MPPIConfig",
    "Objective",
    "Optimizer",
    "RandomShooting",
    "RandomShootingConfig",
    "Refined",
    "RefinedConfig",
    "Search",
    "Solution",
    "colored_noise",
    "shift_sequences",
]
