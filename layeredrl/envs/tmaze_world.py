"""T-mazes as a world: a corridor, a junction, two arms, and a cue at the start."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from gymnasium import spaces

from layeredrl.envs.maze_rendering import MazeRenderer
from layeredrl.envs.vector_arguments import check_choices, read_reset_options
from layeredrl.envs.world import Outcome, World
from layeredrl.errors import CheckpointError, ConfigurationError

# Right, up, left, down.
_ALONG = np.array([1, 0, -1, 0])
_ACROSS = np.array([0, 1, 0, -1])
_MAX_PIXELS_PER_CELL, _PICTURE_WIDTH = 32, 1024


class TMazeWorld(World):
    """Agents that walk along corridors to a junction, and there up or down.

    Attributes:
        corridor_length: How many steps the junction is from the start.
    """

    def __init__(
        self,
        n_instances: int,
        *,
        corridor_length: int = 10,
        episode_steps: int | None = None,
    ) -> None:
        """Set up the T-mazes.

        Args:
            n_instances: How many instances, B.
            corridor_length: How many steps the junction is from the start, at least 1.
            episode_steps: After how many steps an episode is over, at least
                ``corridor_length + 1``; ``None`` for just that, which leaves no time for
                detours.

        Raises:
            ConfigurationError: The corridor is too short, or there is not the time to
                reach an arm.
        """
        if corridor_length < 1:
            raise ConfigurationError(
                f"corridor_length must be at least 1, got {corridor_length}"
            )
        if episode_steps is None:
            episode_steps = corridor_length + 1
        if episode_steps <= corridor_length:
            raise ConfigurationError(
                f"an arm is {corridor_length + 1} steps away, "
                f"got episode_steps={episode_steps}"
            )
        low, high = np.array([[-1, 0, -1], [1, 1, 1]], dtype=np.float32)
        seen = spaces.Box(low, high)
        super().__init__(n_instances, seen, spaces.Discrete(4), episode_steps)
        self.corridor_length = corridor_length
        self._places = np.zeros(n_instances, dtype=np.int64)
        self._arms = np.zeros(n_instances, dtype=np.int64)
        self._cues = np.ones(n_instances, dtype=np.int64)

    def read_options(
        self, options: Mapping[str, Any]
    ) -> Mapping[str, np.ndarray | None]:
        """Read which arms shall be right, ``cue``."""
        given = read_reset_options(options, self.n_instances, {"cue": ()}, dtype=None)
        cues = given["cue"]
        if cues is not None and not np.isin(cues, (-1, 1)).all():
            told = np.asarray(options["cue"]).tolist()
            raise ConfigurationError(
                f"reset option 'cue' must be 1 (up) or -1 (down), got {told}"
            )
        return given

    def _spawn(
        self,
        rows: np.ndarray,
        generators: Sequence[np.random.Generator],
        given: Mapping[str, np.ndarray | None],
    ) -> None:
        drawn = [1 if generator.random() < 0.5 else -1 for generator in generators]
        cue = given.get("cue")
        self._cues[rows] = drawn if cue is None else cue
        self._places[rows] = 0
        self._arms[rows] = 0

    def _act(self, actions: np.ndarray, ignored: np.ndarray | None) -> Outcome:
        choices = check_choices(actions, len(_ALONG), ignored)
        at_junction = self._places == self.corridor_length
        self._arms = np.where(at_junction, _ACROSS[choices], 0)
        moved = self._places + _ALONG[choices]
        self._places = np.clip(moved, 0, self.corridor_length)
        arrived = self._arms != 0
        success = self._arms == self._cues
        step = self.elapsed_steps + 1
        is_last = step >= self.episode_steps
        late = ~arrived & (self._places < step) & ~is_last
        reward = success - late / (self.episode_steps - 1)
        return Outcome(reward, success, arrived | is_last)

    def observe(self) -> np.ndarray:
        """Return the cue at the start, whether this is the junction, and the arm."""
        cue = np.where(self._places == 0, self._cues, 0)
        at_junction = (self._places == self.corridor_length) & (self._arms == 0)
        seen = np.stack([cue, at_junction, self._arms], axis=1)
        return seen.astype(np.float32)

    def draw(self) -> np.ndarray:
        """Draw T-mazes from above, with the right arms as goals."""
        end = np.full_like(self._places, self.corridor_length)
        agents = self._centres(self._places, self._arms)
        return self._renderer.render(agents, self._centres(end, self._cues))

    @cached_property
    def _renderer(self) -> MazeRenderer:
        walls = np.ones((5, self.corridor_length + 3), dtype=bool)
        walls[2, 1:-1] = walls[1:-1, -2] = False
        pixels = np.clip(_PICTURE_WIDTH // walls.shape[1], 1, _MAX_PIXELS_PER_CELL)
        shape = (walls.shape[0] * int(pixels), walls.shape[1] * int(pixels))
        return MazeRenderer(walls, goal_radius=0.3, shape=shape)

    def _centres(self, places: np.ndarray, arms: np.ndarray) -> np.ndarray:
        return np.stack([places - self.corridor_length / 2, arms], axis=1)

    def identity(self) -> dict[str, Any]:
        """Return how long the corridor and the episodes are."""
        return {
            "corridor_length": self.corridor_length,
            "episode_steps": self.episode_steps,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Return places along the corridor, arms entered, cues and elapsed steps."""
        return {
            "places": self._places,
            "arms": self._arms,
            "cues": self._cues,
            "elapsed_steps": self.elapsed_steps,
        }

    def check(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Check that everybody is in the T-maze."""
        places, arms = arrays["places"], arrays["arms"]
        inside = (places >= 0) & (places <= self.corridor_length)
        inside &= (arms == 0) | np.isin(arms, (-1, 1)) & (
            places == self.corridor_length
        )
        if not inside.all():
            raise CheckpointError("the state has an agent outside the T-maze")
        if not np.isin(arrays["cues"], (-1, 1)).all():
            raise CheckpointError("the state has cues other than 1 and -1")

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from there."""
        self._places, self._arms = arrays["places"], arrays["arms"]
        self._cues = arrays["cues"]
        self.elapsed_steps = arrays["elapsed_steps"]
