"""Black-box sequence optimizers: batched objective in, solution out."""

from layeredrl.optimizers.optimizer import Objective, Optimizer, Solution
from layeredrl.optimizers.shifting import shift_sequences

__all__ = ["Objective", "Optimizer", "Solution", "shift_sequences"]
