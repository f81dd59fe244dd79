"""The maze as an ordinary Gymnasium environment."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from layeredrl.envs.maze_geometry import distances
from layeredrl.envs.maze_rendering import (
    MazeRenderer,
    check_plans,
    check_render_mode,
)
from layeredrl.envs.maze_state import check_state, maze_state, words_to_generators
from layeredrl.envs.maze_task import (
    GOAL_RADIUS,
    GoalMethods,
    MazeTask,
    check_action_shape,
)
from layeredrl.envs.spawning import check_reset_options

Observation = dict[str, np.ndarray]


class Maze2DEnv(GoalMethods, gym.Env[Observation, np.ndarray]):
    """A point that is told its velocity walks through a maze to a goal.

    One step lasts 0.1, so that the point moves by at most 0.1 cells per axis; where a wall
    is in the way of one component, it stops at contact and the other component slides.
    ``info["success"]`` says at every step, and after a reset, whether the goal is within
    0.3. Steps are limited by Gymnasium's ``TimeLimit`` alone (``gym.make`` adds it), which
    also means that its count is not part of this environment's state.

    ``reset(options={"start": (x, y), "goal": (x, y)})`` places either or both.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

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
        self.observation_space: gym.Space = self.task.observation_space
        self.action_space = self.task.action_space
        self.render_mode = check_render_mode(render_mode)
        self._renderer = MazeRenderer(self.task.maze.walls, GOAL_RADIUS, render_size)
        self._position: np.ndarray | None = None  # (1, 2)
        self._goal = np.zeros((1, 2))
        self._elapsed = np.zeros(1, dtype=np.int64)
        self._plan: np.ndarray | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: Seed of the environment's generator, or ``None`` to go on with it.
            options: ``"start"`` and ``"goal"``: positions (2,) to use instead of random
                ones.

        Returns:
            Observation and info.
        """
        super().reset(seed=seed)
        given = check_reset_options(options, 1)
        self._position, self._goal = self.task.spawner.draw([self.np_random], **given)
        self._elapsed = np.zeros(1, dtype=np.int64)
        self._plan = None
        return self._observe(), self._info(np.zeros(1, dtype=bool))

    def step(
        self, action: np.ndarray
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move for one step.

        Args:
            action: Velocity, clipped per component to [-1, 1], (2,).

        Returns:
            Observation, reward, terminated, truncated (never) and info.
        """
        position = self._started()
        action = check_action_shape(action, (2,))
        self._position = self.task.move(position, action[None], self._elapsed)
        self._elapsed = self._elapsed + 1
        distance = distances(self._position, self._goal)
        success = distance <= GOAL_RADIUS
        reward = float(self.task.rewards(distance, success)[0])
        terminated = bool(success[0]) and self.task.terminate_on_success
        return self._observe(), reward, terminated, False, self._info(success)

    def show_plan(self, positions: np.ndarray | None) -> None:
        """Draw a plan in the pictures of this episode.

        Args:
            positions: Positions to join by a line, (T, 2), or ``None`` for no plan.
        """
        self._plan = (
            None if positions is None else check_plans(np.array([positions]), 1)
        )

    def render(self) -> np.ndarray | None:
        """Draw the maze.

        Returns:
            A picture (height, width, 3) uint8, or ``None`` without a render mode.
        """
        if self.render_mode is None:
            gym.logger.warn('pass render_mode="rgb_array" to render a maze')
            return None
        return self._renderer.render(self._started(), self._goal, self._plan)[0]

    def get_state(self) -> dict[str, Any]:
        """Return all that decides what happens next, as arrays and plain values.

        The steps that a ``TimeLimit`` wrapper counts are not in it; neither are the
        generators of the spaces, nor a plan that is shown.

        Returns:
            A state: ``maze_map`` (rows of text), ``positions`` and ``goals`` (1, 2)
            float64, ``generators`` (1, 6) int64, ``elapsed_steps`` (1,) int64.
        """
        return {
            **maze_state(self.task.maze, self._started(), self._goal, [self.np_random]),
            "elapsed_steps": self._elapsed.copy(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state.

        Gymnasium's wrappers want a ``reset`` before the first step all the same: call it
        first, then this, then restore the elapsed steps of ``TimeLimit``.

        Args:
            state: What ``get_state`` returned, here or in an environment like this one.

        Raises:
            CheckpointError: The state is of another maze, or otherwise does not fit.
        """
        like = {
            "positions": self._goal,
            "goals": self._goal,
            "generators": np.zeros((1, 6), dtype=np.int64),
            "elapsed_steps": self._elapsed,
        }
        arrays = check_state(state, self.task.maze, like)
        self._position, self._goal = arrays["positions"], arrays["goals"]
        self._elapsed = arrays["elapsed_steps"]
        self._plan = None
        self.np_random = words_to_generators(arrays["generators"])[0]

    def _started(self) -> np.ndarray:
        if self._position is None:
            raise gym.error.ResetNeeded("call reset (or set_state) first")
        return self._position

    def _observe(self) -> Observation:
        batch = self.task.observer.observe(self._started(), self._goal, self._elapsed)
        return {key: values[0] for key, values in batch.items()}

    def _info(self, success: np.ndarray) -> dict[str, Any]:
        infos = self.task.infos(success, self._goal)
        return {key: values[0] for key, values in infos.items()} | {
            "success": bool(success[0])
        }
