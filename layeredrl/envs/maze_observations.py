"""What an agent is told of a maze: positions or pictures, and the goal while it is shown."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from layeredrl.envs.maze_geometry import MazeGeometry
from layeredrl.envs.maze_rendering import MazeRenderer
from layeredrl.errors import ConfigurationError

Infos = Mapping[str, Any] | Sequence[Mapping[str, Any]]
TRUE_GOAL = "goal"
"""Key under which infos tell the goal of an environment that hides it."""


class MazeObserver:
    """Makes the observations of many instances at once.

    Attributes:
        goal_steps: For how many steps of an episode the goal is shown, or ``None`` if it
            is always shown.
        hidden_goal: What ``desired_goal`` is while the goal is hidden, (2,): the lower
            left corner of the outer box, where no goal can be.
        space: The observation space of one instance, with the keys ``observation``,
            ``achieved_goal`` and ``desired_goal``.
    """

    def __init__(
        self,
        maze: MazeGeometry,
        goal_radius: float,
        *,
        goal_steps: int | None,
        pixel_size: int | None,
    ) -> None:
        """Set up the space.

        Args:
            maze: The maze.
            goal_radius: Radius of the disc drawn for a goal, in cells.
            goal_steps: For how many observations of an episode, the first one included,
                the goal is shown; ``None`` for all.
            pixel_size: Height and width of pictures, or ``None`` to tell positions.

        Raises:
            ConfigurationError: ``goal_steps`` is not positive, or pictures of this size
                have fewer pixels than the maze has cells.
        """
        if goal_steps is not None and goal_steps < 1:
            raise ConfigurationError(
                f"goal_steps must be at least 1 (or None to always show the goal), "
                f"got {goal_steps}"
            )
        self.goal_steps = goal_steps
        self.hidden_goal = -maze.extent
        low, high = -maze.extent, maze.extent
        position = spaces.Box(low, high, dtype=np.float64)
        seen: spaces.Space = position
        self._renderer = None
        if pixel_size is not None:
            shape = (pixel_size, pixel_size)
            self._renderer = MazeRenderer(maze.walls, goal_radius, shape)
            seen = spaces.Box(0, 255, (*shape, 3), np.uint8)
        elif goal_steps is not None:
            seen = spaces.Box(
                np.append(low, 0.0), np.append(high, 1.0), dtype=np.float64
            )
        self.space = spaces.Dict(
            {
                "observation": seen,
                "achieved_goal": position,
                "desired_goal": spaces.Box(low, high, dtype=np.float64),
            }
        )

    def shows_goal(self, elapsed_steps: np.ndarray) -> np.ndarray:
        """Say where the goal is shown.

        Args:
            elapsed_steps: How many steps each episode has lasted, (B,).

        Returns:
            Whether its observation shows the goal, (B,) bool.
        """
        if self.goal_steps is None:
            return np.ones(len(elapsed_steps), dtype=bool)
        return elapsed_steps < self.goal_steps

    def observe(
        self, positions: np.ndarray, goals: np.ndarray, elapsed_steps: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Make observations.

        Args:
            positions: Where the agents are, (B, 2).
            goals: Where they shall go, (B, 2).
            elapsed_steps: How many steps each episode has lasted, (B,).

        Returns:
            New arrays of the ``space``, with B in front.
        """
        if self.goal_steps is None and self._renderer is None:
            return _goal_dict(positions.copy(), positions.copy(), goals.copy())
        shown = self.shows_goal(elapsed_steps)
        told = np.where(shown[:, None], goals, self.hidden_goal)
        if self._renderer is not None:
            seen = self._renderer.render(positions, goals, goal_shown=shown)
        else:
            seen = np.concatenate([positions, shown[:, None]], axis=1)
        return _goal_dict(seen, positions.copy(), told)

    def true_goals(self, desired_goal: np.ndarray, info: Infos | None) -> np.ndarray:
        """Replace hidden goals by those that infos tell.

        Args:
            desired_goal: Goals of observations, or any others, (..., 2).
            info: Info or infos that came with the observations, (...) in shape; only
                looked at where a goal is hidden.

        Returns:
            Goals, none of them hidden, (..., 2).

        Raises:
            ConfigurationError: A goal is hidden and the infos do not tell it.
        """
        if self.goal_steps is None:
            return desired_goal
        desired = np.asarray(desired_goal)
        hidden = (desired == self.hidden_goal).all(axis=-1)
        if not hidden.any():
            return desired
        return np.where(hidden[..., None], _told_goals(info), desired)


def _goal_dict(
    seen: np.ndarray, achieved: np.ndarray, desired: np.ndarray
) -> dict[str, np.ndarray]:
    return {"observation": seen, "achieved_goal": achieved, "desired_goal": desired}


def _told_goals(info: Infos | None) -> np.ndarray:
    infos = [info] if info is None or isinstance(info, Mapping) else info
    if not all(each and TRUE_GOAL in each for each in infos):
        raise ConfigurationError(
            "a reward was asked for while the goal is hidden: pass the info that came "
            f"with the observation, which tells it under {TRUE_GOAL!r}"
        )
    if isinstance(info, Mapping):
        return np.asarray(info[TRUE_GOAL])
    return np.array([each[TRUE_GOAL] for each in infos if each is not None])
