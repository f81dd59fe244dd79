"""The maze as a native vector environment: all instances step in numpy at once."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

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
from layeredrl.envs.vector_arguments import (
    check_autoreset_mode,
    check_num_envs,
    check_reset_mask,
    spread_seeds,
    step_limit,
)
from layeredrl.envs.vector_infos import told_infos

Observations = dict[str, np.ndarray]


class Maze2DVectorEnv(GoalMethods, VectorEnv[Observations, np.ndarray, np.ndarray]):
    """Many mazes like ``Maze2DEnv``, stepped together.

    It does what Gymnasium's ``SyncVectorEnv`` of single environments does, number for
    number: instance i has its own generator, seeded with ``seed + i``. All arrays that it
    returns are the caller's to keep and change.

    ``reset(options={"start": ..., "goal": ...})`` places either or both: (2,) for all
    instances or (B, 2). ``options={"reset_mask": mask}`` resets only some instances.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        render_size: tuple[int, int] | None = None,
        **task_options: Any,
    ) -> None:
        """Set up the mazes.

        Args:
            num_envs: How many instances, B.
            max_episode_steps: Steps after which an episode is truncated; ``None`` or -1
                for never. ``gym.make_vec`` passes the registered limit.
            autoreset_mode: When an instance is reset after its episode's end.
            render_mode: ``"rgb_array"``, or ``None``.
            render_size: Height and width of pictures in pixels, or ``None`` for 32 pixels
                per cell.
            **task_options: Arguments of ``MazeTask``: ``layout``, ``maze_map``,
                ``reward_type``, ``position_noise``, ``terminate_on_success``,
                ``goal_steps``, ``pixels``, ``pixel_size``.
        """
        self.task = MazeTask(**task_options)
        self.num_envs = check_num_envs(num_envs)
        self.autoreset_mode = check_autoreset_mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = check_render_mode(render_mode)
        self.single_observation_space = self.task.observation_space
        self.single_action_space = self.task.action_space
        self.observation_space = batch_space(self.task.observation_space, num_envs)
        self.action_space = batch_space(self.task.action_space, num_envs)
        self._renderer = MazeRenderer(self.task.maze.walls, GOAL_RADIUS, render_size)
        self._limit = step_limit(max_episode_steps)
        self._generators: list[np.random.Generator | None] = [None] * num_envs
        self._seeds = [-1] * num_envs
        self._positions = np.full((num_envs, 2), np.nan)
        self._goals = np.full((num_envs, 2), np.nan)
        self._elapsed = np.zeros(num_envs, dtype=np.int64)
        # Whose episode has ended and is not yet followed by a new one.
        self._over = np.zeros(num_envs, dtype=bool)
        self._is_started = False
        self._plans: np.ndarray | None = None

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The generators, one per instance; made with random seeds where there is none."""
        self._seed_generators([None] * self.num_envs)
        return tuple(g for g in self._generators if g is not None)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """Their seeds; -1 where the generator comes from a restored state."""
        self._seed_generators([None] * self.num_envs)
        return tuple(self._seeds)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observations, dict[str, Any]]:
        """Start episodes.

        Args:
            seed: Seeds of the instances' generators: i gets ``seed + i``, or the i-th of
                a sequence; ``None`` goes on with the generator.
            options: ``"start"`` and ``"goal"``: positions to use instead of random ones,
                (2,) or (B, 2). ``"reset_mask"``: which instances to reset, (B,) bool.

        Returns:
            Observations of all instances, and infos of those that were reset.
        """
        placed = dict(options or {})
        mask = check_reset_mask(placed.pop("reset_mask", None), self.num_envs)
        given = check_reset_options(placed, self.num_envs)
        seeds = spread_seeds(seed, self.num_envs)
        if not (self._is_started or mask.all()):
            raise gym.error.ResetNeeded("the first reset must be of all instances")
        rows = np.flatnonzero(mask)
        self._seed_generators(seeds, rows)
        self._spawn(rows, **given)
        self._over[rows] = False
        self._is_started = True
        success = np.zeros(self.num_envs, dtype=bool)
        return self._observe(), self._infos(success, mask)

    def step(
        self, actions: np.ndarray
    ) -> tuple[Observations, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Move all instances for one step.

        Args:
            actions: Velocities, clipped per component to [-1, 1], (B, 2). Those of
                instances that this step resets (``NEXT_STEP``) are ignored.

        Returns:
            Observations, rewards, terminated and truncated, (B,) each, and infos.
        """
        actions = check_action_shape(actions, (self.num_envs, 2))
        resets = self._due_resets()
        self._positions = self.task.move(
            self._positions, actions, self._elapsed, resets
        )
        self._elapsed += 1
        if resets is not None:
            self._spawn(np.flatnonzero(resets))
        distance = distances(self._positions, self._goals)
        # Never true of an instance that was just reset: it starts away from its goal.
        success = distance <= GOAL_RADIUS
        rewards = self.task.rewards(distance, success)
        if resets is not None:
            rewards[resets] = 0.0
        terminated = success & self.task.terminate_on_success
        truncated = self._elapsed >= self._limit
        over = terminated | truncated
        final: dict[str, Any] = {}
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            self._over = over
        elif over.any():
            final = self._final_infos(over, success)
            self._spawn(np.flatnonzero(over))
            success = success & ~over
        infos = self._infos(success, np.ones(self.num_envs, dtype=bool)) | final
        return self._observe(), rewards, terminated, truncated, infos

    def show_plan(self, positions: np.ndarray | None) -> None:
        """Draw plans in the pictures of these episodes.

        Args:
            positions: Positions to join by lines, (B, T, 2), NaN where there is no plan;
                ``None`` for no plans at all.
        """
        self._plans = (
            None if positions is None else check_plans(positions, self.num_envs)
        )

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Draw the mazes.

        Returns:
            One picture (height, width, 3) uint8 per instance, or ``None`` without a render
            mode.
        """
        if self.render_mode is None:
            gym.logger.warn('pass render_mode="rgb_array" to render mazes')
            return None
        self._check_started()
        return tuple(self._renderer.render(self._positions, self._goals, self._plans))

    def get_state(self) -> dict[str, Any]:
        """Return all that decides what happens next, as arrays and plain values.

        Returns:
            A state: ``maze_map`` (rows of text), ``positions`` and ``goals`` (B, 2)
            float64, ``generators`` (B, 6) int64, ``elapsed_steps`` (B,) int64, and
            ``over``: whose episode has ended and is not yet followed by a new one, (B,).
        """
        self._check_started()
        return {
            **maze_state(self.task.maze, self._positions, self._goals, self.np_random),
            "elapsed_steps": self._elapsed.copy(),
            "over": self._over.copy(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state; a reset is not needed before.

        Args:
            state: What ``get_state`` returned, here or in an environment like this one.

        Raises:
            CheckpointError: The state is of another maze, of another number of instances,
                or otherwise does not fit.
        """
        like = {
            "positions": self._positions,
            "goals": self._goals,
            "generators": np.zeros((self.num_envs, 6), dtype=np.int64),
            "elapsed_steps": self._elapsed,
            "over": self._over,
        }
        arrays = check_state(state, self.task.maze, like)
        self._positions, self._goals = arrays["positions"], arrays["goals"]
        self._elapsed, self._over = arrays["elapsed_steps"], arrays["over"]
        self._generators = list(words_to_generators(arrays["generators"]))
        self._seeds = [-1] * self.num_envs
        self._plans = None
        self._is_started = True

    def _check_started(self) -> None:
        if not self._is_started:
            raise gym.error.ResetNeeded("call reset (or set_state) first")

    def _due_resets(self) -> np.ndarray | None:
        """Say which instances this step resets, (B,) bool, or ``None`` for none."""
        self._check_started()
        if not self._over.any():
            return None
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise gym.error.ResetNeeded(
                f"the episodes of instances {np.flatnonzero(self._over).tolist()} are "
                'over: call reset(options={"reset_mask": mask})'
            )
        return self._over

    def _seed_generators(
        self,
        seeds: Sequence[int | None],
        rows: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        for i in range(self.num_envs) if rows is None else rows:
            if seeds[i] is not None or self._generators[i] is None:
                self._generators[i], self._seeds[i] = seeding.np_random(seeds[i])

    def _spawn(
        self,
        rows: np.ndarray,
        start: np.ndarray | None = None,
        goal: np.ndarray | None = None,
    ) -> None:
        generators = [g for i in rows if (g := self._generators[i]) is not None]
        self._positions[rows], self._goals[rows] = self.task.spawner.draw(
            generators,
            None if start is None else start[rows],
            None if goal is None else goal[rows],
        )
        self._elapsed[rows] = 0
        if self._plans is not None:
            self._plans[rows] = np.nan

    def _final_infos(self, over: np.ndarray, success: np.ndarray) -> dict[str, Any]:
        last = self._observe()
        final_obs = np.full(self.num_envs, None, dtype=object)
        for i in np.flatnonzero(over):
            final_obs[i] = {key: values[i] for key, values in last.items()}
        return {
            "final_obs": final_obs,
            "_final_obs": over.copy(),
            "final_info": self._infos(success, over),
            "_final_info": over.copy(),
        }

    def _infos(self, success: np.ndarray, told: np.ndarray) -> dict[str, Any]:
        return told_infos(self.task.infos(success, self._goals), told)

    def _observe(self) -> Observations:
        return self.task.observer.observe(self._positions, self._goals, self._elapsed)
