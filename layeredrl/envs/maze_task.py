"""What both forms of the environment share: the maze, the rewards and the actions."""

import numpy as np
from gymnasium import spaces

from layeredrl.envs.layouts import MazeMap, layout_named, read_map
from layeredrl.envs.maze_geometry import MazeGeometry, distances
from layeredrl.envs.maze_observations import Infos, MazeObserver
from layeredrl.envs.spawning import Spawner
from layeredrl.errors import ConfigurationError

STEP_DURATION = 0.1
"""Time that an action lasts; its components are velocities in cells per unit of time."""
GOAL_RADIUS = 0.3
"""Success is being this close to the goal, in cells."""
REWARD_TYPES = ("dense", "sparse")


class MazeTask:
    """Reaching goals in a maze.

    Attributes:
        maze: The maze.
        spawner: Draws starts and goals.
        reward_type: ``"dense"`` or ``"sparse"``.
        terminate_on_success: Whether success ends an episode.
        observer: Makes the observations.
        observation_space: Positions within the outer box, (2,) float64 each:
            ``achieved_goal``, ``desired_goal``, and as ``observation`` the position again
            or what ``goal_steps`` and ``pixels`` make of it.
        action_space: Velocities (x, y) from -1 to 1, (2,) float32.
    """

    def __init__(
        self,
        layout: str = "Medium",
        *,
        maze_map: MazeMap | None = None,
        reward_type: str = "dense",
        position_noise: float = 0.25,
        terminate_on_success: bool = False,
        goal_steps: int | None = None,
        pixels: bool = False,
        pixel_size: int = 64,
    ) -> None:
        """Set up the task.

        Args:
            layout: Name of a standard map, see ``LAYOUTS``.
            maze_map: A map of one's own, which replaces the layout: rows from the top,
                each a string or sequence of 0 (free) and 1 (wall).
            reward_type: ``"dense"``: minus the distance to the goal, divided by the
                diagonal of the maze's outer box. ``"sparse"``: 1 on success, else 0.
            position_noise: Half-width of the uniform noise on each coordinate of starts
                and goals, from 0 (none) to 0.35 cells.
            terminate_on_success: Whether success ends an episode.
            goal_steps: For how many observations of an episode the goal is shown, at
                least 1, or ``None`` to always show it. While it is shown, the agent is
                held in place, so that it cannot note the goal by where it goes.
                Afterwards ``desired_goal`` is the lower left corner of the outer box;
                ``observation`` is the position and whether the goal is shown (0 or 1),
                (3,) float64, and infos tell the true goal as ``"goal"``.
            pixels: Whether ``observation`` is a picture instead, (height, width, 3) uint8,
                with the goal in it while it is shown.
            pixel_size: Height and width of these pictures.

        Raises:
            ConfigurationError: A value cannot work; the message says which and why.
        """
        if reward_type not in REWARD_TYPES:
            raise ConfigurationError(
                f"unknown reward_type {reward_type!r}; known: {', '.join(REWARD_TYPES)}"
            )
        rows = layout_named(layout) if maze_map is None else maze_map
        self.maze = MazeGeometry(read_map(rows))
        self.spawner = Spawner(self.maze, position_noise, min_distance=GOAL_RADIUS)
        self.reward_type = reward_type
        self.terminate_on_success = terminate_on_success
        self._diagonal = float(distances(self.maze.extent, -self.maze.extent))
        self.observer = MazeObserver(
            self.maze,
            GOAL_RADIUS,
            goal_steps=goal_steps,
            pixel_size=pixel_size if pixels else None,
        )
        self.observation_space = self.observer.space
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def rewards(self, distance: np.ndarray, success: np.ndarray) -> np.ndarray:
        """Return the rewards of having arrived at some distance from the goal.

        Args:
            distance: Distances to the goal, (...).
            success: Whether they count as reached, (...) bool.

        Returns:
            Rewards, (...) float64.
        """
        if self.reward_type == "dense":
            return distance / -self._diagonal
        return success.astype(np.float64)

    def displacements(
        self, actions: np.ndarray, ignored: np.ndarray | None = None
    ) -> np.ndarray:
        """Turn actions into wished changes of position.

        Args:
            actions: Velocities, clipped per component to [-1, 1], (B, 2).
            ignored: Instances whose action does not count, whatever it is, (B,) bool.

        Returns:
            Displacements, (B, 2) float64.

        Raises:
            ConfigurationError: An action is NaN; the message says of which instance.
        """
        steps = np.maximum(actions, -1.0, dtype=np.float64)
        np.minimum(steps, 1.0, out=steps)
        steps *= STEP_DURATION
        flat = steps.ravel()
        # One number says whether there is a NaN anywhere.
        if not flat @ flat >= 0.0:
            wrong = np.isnan(steps).any(axis=1)
            if ignored is not None:
                steps[ignored] = 0.0
                wrong &= ~ignored
            if wrong.any():
                instances = ", ".join(str(i) for i in np.flatnonzero(wrong)[:8])
                raise ConfigurationError(f"the action of instance {instances} is NaN")
        return steps


class GoalMethods:
    """The goal-environment methods, for a class that has a ``task``.

    All take single goals (2,) or any batch of them (..., 2).
    """

    task: MazeTask

    def compute_reward(
        self,
        achieved_goal: np.ndarray,
        desired_goal: np.ndarray,
        info: Infos | None = None,
    ) -> np.ndarray:
        """Return the rewards of having reached positions.

        Args:
            achieved_goal: Positions reached, (..., 2).
            desired_goal: Positions wanted, (..., 2).
            info: Info or infos that came with them; only used where the goal is hidden.

        Returns:
            Rewards, (...) float64.

        Raises:
            ConfigurationError: A goal is hidden and the infos do not tell it.
        """
        desired_goal = self.task.observer.true_goals(desired_goal, info)
        distance = distances(achieved_goal, desired_goal)
        return self.task.rewards(distance, distance <= GOAL_RADIUS)

    def compute_terminated(
        self,
        achieved_goal: np.ndarray,
        desired_goal: np.ndarray,
        info: Infos | None = None,
    ) -> np.ndarray:
        """Say whether having reached positions ends the episode.

        Args:
            achieved_goal: Positions reached, (..., 2).
            desired_goal: Positions wanted, (..., 2).
            info: Info or infos that came with them; only used where the goal is hidden.

        Returns:
            Success if ``terminate_on_success``, else false, (...) bool.

        Raises:
            ConfigurationError: A goal is hidden and the infos do not tell it.
        """
        desired_goal = self.task.observer.true_goals(desired_goal, info)
        success = distances(achieved_goal, desired_goal) <= GOAL_RADIUS
        return success & self.task.terminate_on_success

    def compute_truncated(
        self,
        achieved_goal: np.ndarray,
        desired_goal: np.ndarray,
        info: Infos | None = None,
    ) -> np.ndarray:
        """Say that positions never truncate an episode: only its length does.

        Args:
            achieved_goal: Positions reached, (..., 2).
            desired_goal: Positions wanted, (..., 2).
            info: Not used.

        Returns:
            False, (...) bool.
        """
        return np.zeros(
            np.broadcast(achieved_goal, desired_goal).shape[:-1], dtype=bool
        )
