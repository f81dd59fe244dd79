"""Environments of our own; importing this room registers them."""

from layeredrl.envs.cart_pole import CartPoleNoVelocityEnv
from layeredrl.envs.cart_pole_vector import CartPoleNoVelocityVectorEnv
from layeredrl.envs.cart_pole_world import CartPoleWorld
from layeredrl.envs.layouts import LAYOUTS
from layeredrl.envs.maze2d import Maze2DEnv
from layeredrl.envs.maze2d_vector import Maze2DVectorEnv
from layeredrl.envs.maze_geometry import MazeGeometry
from layeredrl.envs.maze_observations import MazeObserver
from layeredrl.envs.maze_rendering import MazeRenderer
from layeredrl.envs.maze_task import MazeTask
from layeredrl.envs.registration import register_cart_pole, register_mazes
from layeredrl.envs.tmaze import TMazeEnv
from layeredrl.envs.tmaze_vector import TMazeVectorEnv
from layeredrl.envs.tmaze_world import TMazeWorld
from layeredrl.envs.world import Outcome, World
from layeredrl.envs.world_env import WorldEnv
from layeredrl.envs.world_vector_env import WorldVectorEnv

register_mazes()
register_cart_pole()

__all__ = [
    "CartPoleNoVelocityEnv",
    "CartPoleNoVelocityVectorEnv",
    "CartPoleWorld",
    "LAYOUTS",
    "Maze2DEnv",
    "Maze2DVectorEnv",
    "MazeGeometry",
    "MazeObserver",
    "MazeRenderer",
    "MazeTask",
    "Outcome",
    "TMazeEnv",
    "TMazeVectorEnv",
    "TMazeWorld",
    "World",
    "WorldEnv",
    "WorldVectorEnv",
    "register_cart_pole",
    "register_mazes",
]
