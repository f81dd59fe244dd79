"""The maze as an ordinary Gymnasium environment."""

from typing import Any

import numpy as np

from layeredrl.envs.maze_task import GoalMethods, MazeTask
from layeredrl.envs.maze_world import MazeWorld
from layeredrl.envs.world_env import WorldEnv


class Maze2DEnv(GoalMethods, WorldEnv):
    """A point that is told its velocity walks through a maze to a goal.

    One step lasts 0.1, so that the point moves by at most 0.1 cells per axis; where a wall
    is in the way of one component, it stops at contact and the other component slides.
    ``info["success"]`` says at every step, and after a reset, whether the goal is within
    0.3. Steps are limited by Gymnasium's ``TimeLimit`` alone (``gym.make`` adds it), which
    also means that its count is not part of this environment's state.

    ``reset(options={"start": (x, y), "goal": (x, y)})`` places either or both.

    Its state has ``maze_map`` (rows of text), ``positions`` and ``goals`` (1, 2) float64,
    ``elapsed_steps`` (1,) int64 and ``generators``.
    """

    def __init__(
        self,
        *,
        render_mode: str | None = None,
        render_size: tuple[int, int] | None = None,
        **task_options: Any,
    ) -> None:
        """Set up the maze.

        Args:
            render_mode: ``"rgb_array"``, or ``None``.
            render_size: Height and width of pictures in pixels, or ``None`` for 32 pixels
                per cell.
            **task_options: Arguments of ``MazeTask``: ``layout``, ``maze_map``,
                ``reward_type``, ``position_noise``, ``terminate_on_success``,
                ``goal_steps``, ``pixels``, ``pixel_size``.
        """
        self.task = MazeTask(**task_options)
        self._mazes = MazeWorld(self.task, 1, render_size)
        super().__init__(self._mazes, render_mode)

    def show_plan(self, positions: np.ndarray | None) -> None:
        """Draw a plan in the pictures of this episode.

        Args:
            positions: Positions to join by a line, (T, 2), or ``None`` for no plan.
        """
        self._mazes.show_plans(None if positions is None else np.array([positions]))
