"""A level that always decides the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from layeredrl.errors import ConfigurationError
from layeredrl.levels.level import Level, LevelSpec, RunningLevel
from layeredrl.types import Observation, Transition
from layeredrl.utils.spaces import action_dim, inner_bounds


@dataclass(frozen=True)
class ConstantLevel(Level):
    """The same decision again and again; above an action sequence it plays it back."""

    action: Sequence[float] | int
    """The decision: the components of a ``Box`` action, or a ``Discrete`` choice."""

    def input_space(self, action_space_below: spaces.Space) -> spaces.Space | None:
        """Take no input; can only be on top."""
        return None

    def build(self, spec: LevelSpec) -> "RunningConstantLevel":
        """Build the running level."""
        return RunningConstantLevel(spec, self.action)


class RunningConstantLevel(RunningLevel):
    """A :class:`ConstantLevel` at work."""

    def __init__(self, spec: LevelSpec, action: Sequence[float] | int):
        """Check the action.

        Args:
            spec: Where it will run.
            action: The decision.

        Raises:
            ConfigurationError: If it does not belong to the action space.
        """
        super().__init__(spec)
        self._features = _features(spec.action_space, np.asarray(action))

    def get_action(
        self,
        obs: Observation,
        level_input: np.ndarray | None,
        instances: np.ndarray,
    ) -> np.ndarray:
        """Repeat the action."""
        return np.tile(self._features, (len(instances), 1))

    def process_transition(self, transition: Transition) -> np.ndarray:
        """Hand control back after every decision."""
        return np.ones(len(transition.instances), dtype=bool)

    def reset(self, instances: np.ndarray) -> None:
        """Do nothing: there is no episode to forget."""


def _features(space: spaces.Space, action: np.ndarray) -> np.ndarray:
    if isinstance(space, spaces.Discrete):
        is_choice = action.ndim == 0 and np.issubdtype(action.dtype, np.integer)
        choice = int(action) - int(space.start) if is_choice else -1
        if 0 <= choice < space.n:
            return np.eye(int(space.n), dtype=np.float32)[choice]
    elif isinstance(space, spaces.Box) and action.size == action_dim(space):
        action = action.reshape(-1).astype(np.float64)
        if ((space.low.flatten() <= action) & (action <= space.high.flatten())).all():
            return np.clip(action.astype(np.float32), *inner_bounds(space))
    raise ConfigurationError(f"the action {action} is not in {space}")
