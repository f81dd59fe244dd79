"""A level that acts at random."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from layeredrl.levels.level import Level, LevelSpec, RunningLevel
from layeredrl.types import Observation, Transition
from layeredrl.utils.action_sampling import check_bounded, sample_features
from layeredrl.utils.seeding import (
    numpy_generator,
    numpy_generator_state,
    set_numpy_generator_state,
)


@dataclass(frozen=True)
class RandomLevel(Level):
    """Uniformly random decisions; the floor that every result is held against."""

    def input_space(self, action_space_below: spaces.Space) -> spaces.Space | None:
        """Take no input; can only be on top."""
        return None

    def build(self, spec: LevelSpec) -> "RunningRandomLevel":
        """Build the running level."""
        return RunningRandomLevel(spec)


class RunningRandomLevel(RunningLevel):
    """A :class:`RandomLevel` at work."""

    def __init__(self, spec: LevelSpec):
        """Seed the generator.

        Args:
            spec: Where it will run.

        Raises:
            SpaceError: If decisions have no bounds to be drawn between.
        """
        super().__init__(spec)
        check_bounded(spec.action_space)
        self._generator = numpy_generator(spec.seed)

    def get_action(
        self,
        obs: Observation,
        level_input: np.ndarray | None,
        instances: np.ndarray,
    ) -> np.ndarray:
        """Draw."""
        return sample_features(self.spec.action_space, len(instances), self._generator)

    def process_transition(self, transition: Transition) -> np.ndarray:
        """Hand control back after every decision."""
        return np.ones(len(transition.instances), dtype=bool)

    def reset(self, instances: np.ndarray) -> None:
        """Do nothing: there is no episode to forget."""

    def state_dict(self) -> dict[str, Any]:
        """Copy the generator's state."""
        return {"generator": numpy_generator_state(self._generator)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the generator's state."""
        set_numpy_generator_state(self._generator, state["generator"])
