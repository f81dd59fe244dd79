"""A level that always decides the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.errors import ConfigurationError
from layeredrl.levels.level import Level, LevelSpec, RunningLevel
from layeredrl.types import Observation, Transition
from layeredrl.utils.spaces import action_dim, action_features


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
        space = spec.action_space
        features = action_features(space, torch.as_tensor(action)).numpy().reshape(-1)
        inside = not isinstance(space, spaces.Box) or (
            features.size == action_dim(space)
            and space.contains(features.reshape(space.shape).astype(space.dtype))
        )
        if not inside:
            raise ConfigurationError(f"the action {action} is not in {space}")
        self._features = features

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
