"""The maze as a native vector environment: all instances step in numpy at once."""

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from layeredrl.envs.maze_task import GoalMethods, MazeTask
from layeredrl.envs.maze_world import MazeWorld
from layeredrl.envs.vector_arguments import check_num_envs
from layeredrl.envs.world_vector_env import WorldVectorEnv


class Maze2DVectorEnv(GoalMethods, WorldVectorEnv):
    """Many mazes like ``Maze2DEnv``, stepped together.

    ``reset(options={"start": ..., "goal": ...})`` places either or both: (2,) for all
    instances or (B, 2). ``options={"reset_mask": mask}`` resets only some instances.

    Its state has ``maze_map`` (rows of text), ``positions`` and ``goals`` (B, 2) float64,
    and what ``WorldVectorEnv`` adds.
    """

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
        self._mazes = MazeWorld(self.task, check_num_envs(num_envs), render_size)
        super().__init__(
            self._mazes,
            max_episode_steps=max_episode_steps,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )

    def show_plan(self, positions: np.ndarray | None) -> None:
        """Draw plans in the pictures of these episodes.

        Args:
            positions: Positions to join by lines, (B, T, 2), NaN where there is no plan;
                ``None`` for no plans at all.
        """
        self._mazes.show_plans(positions)
