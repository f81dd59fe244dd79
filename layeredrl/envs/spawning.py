"""Where episodes start and where their goals are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layeredrl.envs.maze_geometry import AGENT_RADIUS, MazeGeometry, distances
from layeredrl.envs.vector_arguments import read_reset_options
from layeredrl.errors import ConfigurationError

MAX_POSITION_NOISE = 0.5 - AGENT_RADIUS


class Spawner:
    """Draws starts and goals: two different corner cells, and noise for each.

    Attributes:
        maze: The maze.
        position_noise: Half-width of the uniform noise on each coordinate.
        min_distance: A start is further than this from its goal.
    """

    def __init__(
        self, maze: MazeGeometry, position_noise: float, min_distance: float
    ) -> None:
        """Prepare the pairs of corner cells.

        Args:
            maze: The maze.
            position_noise: Half-width of the uniform noise on each coordinate, from 0 to
                0.35 (in cells), so that the agent fits.
            min_distance: A start is further than this from its goal.

        Raises:
            ConfigurationError: The noise would reach into walls.
        """
        if not 0 <= position_noise <= MAX_POSITION_NOISE:
            raise ConfigurationError(
                f"position_noise must be from 0 to {MAX_POSITION_NOISE} cells, "
                f"got {position_noise}"
            )
        self.maze = maze
        self.position_noise = position_noise
        self.min_distance = min_distance
        cells = np.arange(len(maze.corners))
        self._pairs = np.array([(s, g) for s in cells for g in cells if s != g])

    def draw(
        self,
        generators: Sequence[np.random.Generator],
        start: np.ndarray | None = None,
        goal: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw a start and a goal from each generator.

        Each try takes five numbers from the generator, whatever the options and the
        noise are. A try is repeated where the start is within ``min_distance``.

        Args:
            generators: One per instance, B of them.
            start: Starts to use instead of random ones, (B, 2).
            goal: Goals to use instead of random ones, (B, 2).

        Returns:
            Starts and goals, (B, 2) each.

        Raises:
            ConfigurationError: A given start or goal is in a wall, or both are too close.
        """
        self._check_given(start, goal)
        starts = np.empty((len(generators), 2))
        goals = np.empty((len(generators), 2))
        open_rows = np.arange(len(generators))
        while len(open_rows):
            draws = np.array([generators[i].random(5) for i in open_rows.tolist()])
            pairs = self._pairs[(draws[:, 0] * len(self._pairs)).astype(np.intp)]
            noise = (2 * draws[:, 1:] - 1) * self.position_noise
            centres = self.maze.corners[pairs]  # (B, 2, 2): start and goal, x and y
            starts[open_rows] = centres[:, 0] + noise[:, :2]
            goals[open_rows] = centres[:, 1] + noise[:, 2:]
            if start is not None:
                starts[open_rows] = start[open_rows]
            if goal is not None:
                goals[open_rows] = goal[open_rows]
            gaps = distances(starts[open_rows], goals[open_rows])
            open_rows = open_rows[gaps <= self.min_distance]
        return starts, goals

    def _check_given(self, start: np.ndarray | None, goal: np.ndarray | None) -> None:
        for name, positions in (("start", start), ("goal", goal)):
            if positions is None:
                continue
            for row in np.flatnonzero(~self.maze.fits(positions)):
                raise ConfigurationError(
                    f"{name} {tuple(positions[row].tolist())} is in a wall, or closer "
                    f"to one than the agent's radius of {AGENT_RADIUS}"
                )
        if start is None or goal is None:
            return
        for row in np.flatnonzero(distances(start, goal) <= self.min_distance):
            raise ConfigurationError(
                f"start {tuple(start[row].tolist())} is within the goal radius of "
                f"{self.min_distance} of the goal {tuple(goal[row].tolist())}"
            )


def check_reset_options(
    options: Mapping[str, Any] | None, n_instances: int
) -> dict[str, np.ndarray | None]:
    """Read the reset options that place starts and goals.

    Args:
        options: ``"start"`` and ``"goal"``, both optional: one position for all instances
            (2,), or one for each (B, 2).
        n_instances: How many instances there are, B.

    Returns:
        Arguments for ``Spawner.draw``: each (B, 2) float64 or ``None``.

    Raises:
        ConfigurationError: There is no such option; the message lists those there are.
        ShapeError: A position has another shape.
    """
    return read_reset_options(options, n_instances, {"start": (2,), "goal": (2,)})
