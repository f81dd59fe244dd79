"""A level that plays a sequence of actions it is given."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.levels.level import Level, LevelSpec, RunningLevel
from layeredrl.types import Observation, Transition
from layeredrl.utils.checkpoints import to_array
from layeredrl.utils.spaces import action_dim, inner_bounds

_MOST_SEQUENCES = 4096


@dataclass(frozen=True)
class ActionSequenceLevel(Level):
    """Takes a whole sequence as its input and plays it open loop.

    Over ``Box`` actions the input is their concatenation; over ``Discrete`` ones it is
    the number of the sequence, the first action counting most.
    """

    n_steps: int
    """Actions per sequence, at least 1."""

    def __post_init__(self) -> None:
        """Refuse an empty sequence."""
        if self.n_steps < 1:
            raise ConfigurationError(f"n_steps must be at least 1, got {self.n_steps}")

    @property
    def control_interval(self) -> int:
        """Play the whole sequence per input."""
        return self.n_steps

    def input_space(self, action_space_below: spaces.Space) -> spaces.Space | None:
        """Take sequences of what the level below takes."""
        if isinstance(action_space_below, spaces.Discrete):
            n = action_dim(action_space_below) ** self.n_steps
            if n > _MOST_SEQUENCES:
                raise SpaceError(
                    f"{self.n_steps} actions of {action_space_below} make {n} "
                    f"sequences, more than {_MOST_SEQUENCES}; take fewer steps"
                )
            return spaces.Discrete(n)
        action_dim(action_space_below)  # raises where actions are of no usable kind
        assert isinstance(action_space_below, spaces.Box)
        low, high = (
            np.tile(bound, self.n_steps) for bound in inner_bounds(action_space_below)
        )
        return spaces.Box(low, high, dtype=np.float32)

    def build(self, spec: LevelSpec) -> "RunningActionSequenceLevel":
        """Build the running level."""
        return RunningActionSequenceLevel(spec, self.n_steps)


class RunningActionSequenceLevel(RunningLevel):
    """An :class:`ActionSequenceLevel` at work."""

    def __init__(self, spec: LevelSpec, n_steps: int):
        """Start with no sequence in progress.

        Args:
            spec: Where it will run.
            n_steps: Actions per sequence.

        Raises:
            ConfigurationError: If it is on top, where nobody gives it sequences.
        """
        super().__init__(spec)
        if spec.input_space is None:
            raise ConfigurationError(
                "an ActionSequenceLevel plays what it is given, so it cannot be on top; "
                "a ConstantLevel above it plays one sequence for ever"
            )
        self._n_steps = n_steps
        self._step = np.zeros(spec.n_instances, dtype=np.int64)

    def get_action(
        self,
        obs: Observation,
        level_input: np.ndarray | None,
        instances: np.ndarray,
    ) -> np.ndarray:
        """Play the next action."""
        assert level_input is not None
        rows, step = np.arange(len(instances)), self._step[instances]
        dim = action_dim(self.spec.action_space)
        if isinstance(self.spec.action_space, spaces.Discrete):
            number = level_input.argmax(-1)
            choice = number // dim ** (self._n_steps - 1 - step) % dim
            return np.eye(dim, dtype=np.float32)[choice]
        actions = level_input.reshape(len(rows), self._n_steps, dim)
        return actions[rows, step]

    def process_transition(self, transition: Transition) -> np.ndarray:
        """Hand control back at the end of the sequence."""
        self._step[transition.instances] += 1
        done = self._step[transition.instances] >= self._n_steps
        self._step[transition.instances[done]] = 0
        return done

    def reset(self, instances: np.ndarray) -> None:
        """Break off the sequences in progress."""
        self._step[instances] = 0

    def state_dict(self) -> dict[str, Any]:
        """Copy how far the sequences are."""
        return {"step": self._step.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore how far the sequences are."""
        self._step = to_array(state["step"])
