"""Goal-reaching environments of our own; importing this room registers them."""

from layeredrl.envs.layouts import LAYOUTS
from layeredrl.envs.maze2d import Maze2DEnv
from layeredrl.envs.maze2d_vector import Maze2DVectorEnv
from layeredrl.envs.maze_geometry import MazeGeometry
from layeredrl.envs.maze_observations import MazeObserver
from layeredrl.envs.maze_rendering import MazeRenderer
from layeredrl.envs.maze_task import MazeTask
from layeredrl.envs.registration import register_mazes

register_mazes()

__all__ = [
    "LAYOUTS",
    "Maze2DEnv",
    "Maze2DVectorEnv",
    "MazeGeometry",
    "MazeObserver",
    "MazeRenderer",
    "MazeTask",
    "register_mazes",
]
