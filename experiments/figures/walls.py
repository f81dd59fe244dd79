"""Where the walls of a maze are, in the units of its environment."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from layeredrl.envs import Maze2DEnv, Maze2DVectorEnv

WALL = "#d9d4c9"


@dataclass(frozen=True)
class Walls:
    """A maze of square cells."""

    is_wall: np.ndarray
    """Whether each cell is a wall, rows from the top, (rows, columns) bool."""
    cell: float = 1.0
    """Width of a cell in units of position."""
    corner: tuple[float, float] = (0.0, 0.0)
    """Position (x, y) of the upper left corner of the map."""

    @property
    def limits(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top."""
        rows, columns = self.is_wall.shape
        x, y = self.corner
        return x, x + columns * self.cell, y - rows * self.cell, y

    def draw(self, axes: Axes) -> None:
        """Draw the walls and fit the panel to them.

        Args:
            axes: The panel; changed in place.
        """
        x, y = self.corner
        # A little too large, so that no seams show between cells.
        size = 1.01 * self.cell
        cells = [
            Rectangle((x + j * self.cell, y - (i + 1) * self.cell), size, size)
            for i, j in np.argwhere(self.is_wall)
        ]
        axes.add_collection(PatchCollection(cells, fc=WALL, ec="none", zorder=0))
        left, right, bottom, top = self.limits
        axes.set(xlim=(left, right), ylim=(bottom, top))
        axes.set_aspect("equal", adjustable="box")


def find_walls(env: VectorEnv) -> Walls | None:
    """Find the walls of an environment.

    Args:
        env: A vector environment.

    Returns:
        The walls of our mazes and of those of gymnasium-robotics; ``None`` for others.
    """
    base: Any = env.unwrapped
    if isinstance(base, SyncVectorEnv):
        base = base.envs[0].unwrapped
    if isinstance(base, Maze2DEnv | Maze2DVectorEnv):
        own = base.task.maze
        return Walls(own.walls, 1.0, (float(-own.extent[0]), float(own.extent[1])))
    # gymnasium-robotics may not be installed, so its class is not asked for.
    maze: Any = getattr(base, "maze", None)
    needed = ("maze_map", "maze_size_scaling", "x_map_center", "y_map_center")
    if maze is None or not all(hasattr(maze, name) for name in needed):
        return None
    is_wall = np.array([[cell == 1 for cell in row] for row in maze.maze_map])
    return Walls(
        is_wall,
        float(maze.maze_size_scaling),
        (-float(maze.x_map_center), float(maze.y_map_center)),
    )
