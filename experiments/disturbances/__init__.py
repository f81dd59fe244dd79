"""What becomes of skills when somebody pushes the agents."""

from experiments.disturbances.figure import pushes_figure
from experiments.disturbances.mazes import PushedMaze, Pushes
from experiments.disturbances.skills import Disturbed, disturb

__all__ = ["Disturbed", "PushedMaze", "Pushes", "disturb", "pushes_figure"]
