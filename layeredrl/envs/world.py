"""What an environment is for many instances at once, without seeds, resets and limits."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

NO_LIMIT = int(np.iinfo(np.int64).max)


class Outcome(NamedTuple):
    """What a step leads to, beside what is observed."""

    rewards: np.ndarray
    """(B,) float64."""
    success: np.ndarray
    """Whether the task is achieved, (B,) bool."""
    terminated: np.ndarray
    """Whether the episode has come to its end, (B,) bool."""


class World(ABC):
    """B instances of an environment, as arrays.

    ``WorldEnv`` makes a Gymnasium environment of a world with one instance,
    ``WorldVectorEnv`` a vector environment of one with many. They own the generators, the
    autoreset and the step limits; the world is all the rest, so that both forms agree.

    Attributes:
        n_instances: How many instances there are, B.
        observation_space: Of one instance.
        action_space: Of one instance.
        episode_steps: After how many steps an episode is truncated.
        elapsed_steps: How many steps each episode has lasted, (B,) int64.
    """

    def __init__(
        self,
        n_instances: int,
        observation_space: gym.Space,
        action_space: gym.Space,
        episode_steps: int = NO_LIMIT,
    ) -> None:
        """Set up what all worlds have.

        Args:
            n_instances: How many instances, B.
            observation_space: Of one instance.
            action_space: Of one instance.
            episode_steps: After how many steps an episode is truncated.
        """
        self.n_instances = n_instances
        self.observation_space = observation_space
        self.action_space = action_space
        self.episode_steps = episode_steps
        self.elapsed_steps = np.zeros(n_instances, dtype=np.int64)

    def start(
        self,
        rows: np.ndarray,
        generators: Sequence[np.random.Generator],
        given: Mapping[str, np.ndarray | None],
    ) -> None:
        """Start new episodes.

        Args:
            rows: Whose, (R,) int.
            generators: Theirs, R of them.
            given: What ``read_options`` returned, or nothing.
        """
        self._spawn(
            rows,
            generators,
            {k: None if v is None else v[rows] for k, v in given.items()},
        )
        self.elapsed_steps[rows] = 0

    def advance(self, actions: np.ndarray, ignored: np.ndarray | None) -> Outcome:
        """Let all instances do a step.

        Args:
            actions: (B, ...).
            ignored: Instances that are started anew right after, so that their action does
                not count, whatever it is, (B,) bool; ``None`` for none.

        Returns:
            What it leads to; of no meaning where ignored.
        """
        outcome = self._act(actions, ignored)
        self.elapsed_steps += 1
        return outcome

    @abstractmethod
    def read_options(
        self, options: Mapping[str, Any]
    ) -> Mapping[str, np.ndarray | None]:
        """Read the options of a reset.

        Args:
            options: What the caller passed.

        Returns:
            Arrays by name, (B, ...) each, or ``None`` where nothing is given.

        Raises:
            ConfigurationError: There is no such option.
            ShapeError: An option has another shape.
        """

    @abstractmethod
    def _spawn(
        self,
        rows: np.ndarray,
        generators: Sequence[np.random.Generator],
        given: Mapping[str, np.ndarray | None],
    ) -> None:
        """Place some instances, (R,), as given for them, (R, ...), or at random."""

    @abstractmethod
    def _act(self, actions: np.ndarray, ignored: np.ndarray | None) -> Outcome:
        """Do a step; ``elapsed_steps`` does not count it yet."""

    @abstractmethod
    def observe(self) -> Any:
        """Return the observations, in new arrays.

        Returns:
            An array of the observation space with B in front, or a dict of such.
        """

    def infos(self) -> dict[str, np.ndarray]:
        """Return what infos tell beside ``success``.

        Returns:
            New arrays by name, (B, ...) each.
        """
        return {}

    @abstractmethod
    def draw(self) -> np.ndarray:
        """Draw pictures for people.

        Returns:
            Pictures, (B, height, width, 3) uint8.
        """

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return what another world must have in common to take over this one's state.

        Returns:
            Plain values by name.
        """

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Return what changes, without copying it.

        Returns:
            Arrays by name, (B, ...) each, ``elapsed_steps`` among them.
        """

    @abstractmethod
    def check(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Check whether arrays could be this world's.

        Args:
            arrays: Like those of ``arrays`` in names, shapes and types.

        Raises:
            CheckpointError: They could not.
        """

    @abstractmethod
    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from what another world was.

        Args:
            arrays: What ``check`` has passed; they are taken over.
        """
