"""Where a hierarchy meets environments while it is trained."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from layeredrl.collectors.env_stepper import EnvStepper, Step
from layeredrl.collectors.stopwatch import Stopwatch
from layeredrl.hierarchies import Hierarchy


class Experience(ABC):
    """Environment steps in which a hierarchy has acted, and of which its levels know.

    Attributes:
        n_instances: Environment instances B.
        broken_off: Whose episode was broken off before the last step, (B,) bool.
        stopwatch: Where its time goes.
    """

    n_instances: int
    broken_off: np.ndarray

    def __init__(self) -> None:
        """Start the stopwatch."""
        self.stopwatch = Stopwatch()

    @abstractmethod
    def reset(self, seed: int) -> None:
        """Begin new episodes everywhere.

        Args:
            seed: Seeds the environments.
        """

    @abstractmethod
    def step(self) -> Step:
        """Let the hierarchy act once in all instances, and its levels store it.

        Returns:
            What happened; observations may be left out.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Copy the running episodes, as far as they can be.

        Returns:
            Arrays and plain values.
        """

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """Bring the running episodes back.

        Args:
            state: What :meth:`state_dict` returned.

        Returns:
            Whether that was possible; if not, new episodes have begun everywhere.
        """


class LocalExperience(Experience):
    """Steps taken in this process, by the hierarchy itself."""

    def __init__(self, env: VectorEnv, hierarchy: Hierarchy):
        """Put both together.

        Args:
            env: Any autoreset mode.
            hierarchy: Built for it.

        Raises:
            ConfigurationError: If ``env`` is no vector environment, or of another size.
            SpaceError: If it has other spaces than the hierarchy.
        """
        super().__init__()
        self.stepper = EnvStepper(env, hierarchy)
        hierarchy.check_env(env)
        self.n_instances = env.num_envs
        self.broken_off = np.zeros(env.num_envs, dtype=bool)
        self._hierarchy = hierarchy

    def reset(self, seed: int) -> None:
        """Begin new episodes everywhere."""
        self.stepper.reset(seed)
        self._hierarchy.reset()

    def step(self) -> Step:
        """Act, step, report."""
        stepper, hierarchy = self.stepper, self._hierarchy
        timing = self.stopwatch.timing
        with timing("acting"):
            actions = hierarchy.get_action(stepper.obs, stepper.active)
        with timing("stepping"):
            step = stepper.step(actions)
        info = {} if step.success is None else {"success": step.success}
        with timing("storing"):
            hierarchy.process_transition(
                step.next_obs, step.reward, step.terminated, step.truncated, info
            )
        return step

    def state_dict(self) -> dict[str, Any]:
        """Copy the running episodes, as far as they can be."""
        return self.stepper.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """Bring the running episodes back."""
        if self.stepper.load_state_dict(state):
            return True
        self._hierarchy.reset()
        return False
