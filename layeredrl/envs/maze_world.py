"""Mazes as a world: where agents and goals are, and what a step does."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layeredrl.envs.maze_geometry import distances
from layeredrl.envs.maze_observations import TRUE_GOAL
from layeredrl.envs.maze_rendering import MazeRenderer, check_plans
from layeredrl.envs.maze_task import GOAL_RADIUS, MazeTask
from layeredrl.envs.spawning import check_reset_options
from layeredrl.envs.world import Outcome, World
from layeredrl.errors import CheckpointError


class MazeWorld(World):
    """Points that walk through copies of a maze.

    Attributes:
        task: The maze, the rewards, the observations.
    """

    def __init__(
        self, task: MazeTask, n_instances: int, render_size: tuple[int, int] | None
    ) -> None:
        """Set up the mazes.

        Args:
            task: The maze, the rewards, the observations.
            n_instances: How many instances, B.
            render_size: Height and width of the pictures for people, or ``None`` for 32
                pixels per cell.
        """
        super().__init__(n_instances, task.observer.space, task.action_space)
        self.task = task
        self._renderer = MazeRenderer(task.maze.walls, GOAL_RADIUS, render_size)
        self._positions = np.full((n_instances, 2), np.nan)
        self._goals = np.full((n_instances, 2), np.nan)
        self._plans: np.ndarray | None = None

    def read_options(
        self, options: Mapping[str, Any]
    ) -> Mapping[str, np.ndarray | None]:
        """Read where starts and goals shall be."""
        return check_reset_options(options, self.n_instances)

    def _spawn(
        self,
        rows: np.ndarray,
        generators: Sequence[np.random.Generator],
        given: Mapping[str, np.ndarray | None],
    ) -> None:
        self._positions[rows], self._goals[rows] = self.task.spawner.draw(
            generators, **given
        )
        if self._plans is not None:
            self._plans[rows] = np.nan

    def _act(self, actions: np.ndarray, ignored: np.ndarray | None) -> Outcome:
        wished = self.task.displacements(actions, ignored)
        observer = self.task.observer
        if observer.goal_steps is not None:
            wished[observer.shows_goal(self.elapsed_steps)] = 0.0
        self._positions = self.task.maze.move(self._positions, wished)
        distance = distances(self._positions, self._goals)
        success = distance <= GOAL_RADIUS
        rewards = self.task.rewards(distance, success)
        return Outcome(rewards, success, success & self.task.terminate_on_success)

    def observe(self) -> dict[str, np.ndarray]:
        """Return what the task lets agents know."""
        return self.task.observer.observe(
            self._positions, self._goals, self.elapsed_steps
        )

    def infos(self) -> dict[str, np.ndarray]:
        """Return the true goals where they are hidden at times."""
        if self.task.observer.goal_steps is None:
            return {}
        return {TRUE_GOAL: self._goals.copy()}

    def show_plans(self, plans: np.ndarray | None) -> None:
        """Draw plans in the pictures of these episodes.

        Args:
            plans: Positions to join by lines, (B, T, 2), NaN where there is no plan;
                ``None`` for no plans at all.

        Raises:
            ShapeError: They have another shape.
        """
        self._plans = None if plans is None else check_plans(plans, self.n_instances)

    def draw(self) -> np.ndarray:
        """Draw mazes, goals, plans and agents."""
        return self._renderer.render(self._positions, self._goals, self._plans)

    def identity(self) -> dict[str, Any]:
        """Return the map as text."""
        walls = self.task.maze.walls
        return {"maze_map": ["".join("01"[int(wall)] for wall in row) for row in walls]}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return positions, goals and elapsed steps."""
        return {
            "positions": self._positions,
            "goals": self._goals,
            "elapsed_steps": self.elapsed_steps,
        }

    def check(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Check that nobody is in a wall."""
        for key in ("positions", "goals"):
            if not self.task.maze.fits(arrays[key]).all():
                raise CheckpointError(f"the state has {key} inside a wall")

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from there, with no plan shown."""
        self._positions, self._goals = arrays["positions"], arrays["goals"]
        self.elapsed_steps = arrays["elapsed_steps"]
        self._plans = None
