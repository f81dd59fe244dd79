"""What was decided, planned and reached in some episodes, as arrays."""

from dataclasses import dataclass, fields, replace

import numpy as np

from layeredrl.errors import ConfigurationError, ShapeError


@dataclass(frozen=True)
class Recording:
    """Decisions of the level on top, episode by episode, D of them.

    All states are in the units of the latent state of that level's predictor.
    """

    episode: np.ndarray
    """Which episode each decision belongs to, ascending from 0, (D,) int64."""
    time: np.ndarray
    """Decisions of its episode before it, (D,) int64."""
    state: np.ndarray
    """Latent states that were decided from, (D, Z) float32."""
    context: np.ndarray
    """Contexts, (D, C) float32."""
    action: np.ndarray
    """Features of what was decided, such as a skill, (D, A) float32."""
    reached: np.ndarray
    """Latent states when the decision was over, (D, Z) float32; NaN where they are not known:
    at the end of an episode, if the encoder remembers."""
    planned: np.ndarray
    """Latent states that the plan in force expected from the decision on, mean over members
    and particles, (D, T+1, Z) float32; NaN beyond the end of the plan, and where the
    decision was a random one."""
    n_env_steps: np.ndarray
    """Environment steps that the decision took, (D,) int64."""
    is_cut: np.ndarray
    """Whether the episode ended before the decision had taken its nominal time, (D,) bool.
    What such a decision led to says little of what it would have led to."""
    path: np.ndarray | None = None
    """Latent states at the start and after each environment step of the decision,
    (D, H+1, Z) float32, NaN beyond ``n_env_steps``; ``None`` if not recorded."""
    achieved_goal: np.ndarray | None = None
    """What had been achieved at the decision, (D, G) float32; ``None`` where observations
    do not tell goals as vectors."""
    desired_goal: np.ndarray | None = None
    """What was to be achieved, (D, G) float32; ``None`` likewise."""
    reward: np.ndarray | None = None
    """What each decision was paid, as its level learns it, (D,) float32; ``None`` if not
    recorded."""

    def __post_init__(self) -> None:
        """Refuse arrays of different length."""
        wrong = {
            name: len(value)
            for name, value in self._arrays().items()
            if len(value) != len(self.episode)
        }
        if wrong:
            raise ShapeError(
                f"there are {len(self.episode)} decisions, but not everywhere: {wrong}"
            )

    def __len__(self) -> int:
        """Count the decisions, D."""
        return len(self.episode)

    @property
    def n_episodes(self) -> int:
        """Number of episodes."""
        return int(self.episode[-1]) + 1 if len(self) else 0

    @property
    def horizon(self) -> int:
        """Decisions that plans look ahead, T."""
        return self.planned.shape[1] - 1

    def of_episode(self, episode: int) -> "Recording":
        """Take out one episode.

        Args:
            episode: Which one.

        Returns:
            Its decisions, as episode 0.

        Raises:
            ConfigurationError: If there is no such episode.
        """
        rows = self.episode == episode
        if not rows.any():
            raise ConfigurationError(
                f"there is no episode {episode} among {self.n_episodes}"
            )
        return self.of_rows(np.flatnonzero(rows))

    def of_rows(self, rows: np.ndarray) -> "Recording":
        """Take out some decisions of one episode.

        Args:
            rows: Which ones, ascending, int64.

        Returns:
            These, as episode 0.
        """
        taken = {name: value[rows] for name, value in self._arrays().items()}
        return replace(self, **taken | {"episode": np.zeros(len(rows), np.int64)})

    def held(self, n: int) -> "Recording":
        """See every n decisions as one, as where a planner keeps what it decided.

        Args:
            n: Decisions that count as one, from the start of each episode, at least 1.

        Returns:
            A recording without paths and rewards; what an episode's end left short is
            marked as cut.

        Raises:
            ConfigurationError: If ``n`` is not positive.
        """
        if n < 1:
            raise ConfigurationError(f"n must be at least 1, got {n}")
        first = np.flatnonzero(self.time % n == 0)
        count = np.diff(np.append(first, len(self)))
        last = first + count - 1
        cut = np.add.reduceat(self.is_cut, first) > 0
        arrays = replace(self, path=None, reward=None)._arrays()
        taken = {name: value[first] for name, value in arrays.items()}
        changed = {
            "time": self.time[first] // n,
            "reached": self.reached[last],
            "planned": self.planned[first, ::n],
            "n_env_steps": np.add.reduceat(self.n_env_steps, first),
            "is_cut": cut | (count < n),
        }
        return Recording(**taken | changed)

    def position_columns(self, atol: float = 1e-4) -> tuple[int, ...] | None:
        """Find where the latent state tells what has been achieved.

        Args:
            atol: How far both may be apart.

        Returns:
            The column of the latent state for each of the G features of the achieved
            goal; ``None`` if they are not all there, or no goals were recorded.
        """
        if self.achieved_goal is None or not len(self):
            return None
        gaps = np.abs(self.state[:, :, None] - self.achieved_goal[:, None, :]).max(0)
        if not (gaps.min(0) <= atol).all():
            return None
        return tuple(int(column) for column in gaps.argmin(0))

    def _arrays(self) -> dict[str, np.ndarray]:
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}
