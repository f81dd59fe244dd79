"""Workers that collect side by side, wherever they are."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np

from layeredrl.collectors.remote.rollouts import Rollout


class Collected(NamedTuple):
    """What the workers return of a round.

    Attributes:
        rollouts: One per worker, of equal length.
        replaced: Workers that were lost and begun anew before that.
    """

    rollouts: list[Rollout]
    replaced: list[int]


class Workers(ABC):
    """A number of :class:`~layeredrl.collectors.remote.RolloutWorker`.

    Attributes:
        sizes: Environment instances of each.
    """

    sizes: tuple[int, ...]

    @abstractmethod
    def begin(self, seed: np.random.SeedSequence) -> None:
        """Begin anew, with new episodes; those of before are given up.

        Args:
            seed: Seeds all workers.
        """

    @abstractmethod
    def collect(self, acting_state: dict[str, Any], n_steps: int) -> Collected:
        """Let all of them collect at once.

        Args:
            acting_state: What they act by.
            n_steps: Steps of all their instances.

        Returns:
            What they did; a worker that is lost is replaced, and has collected anew.

        Raises:
            WorkerError: If workers are lost again and again.
        """

    @abstractmethod
    def close(self) -> None:
        """End all of them."""
