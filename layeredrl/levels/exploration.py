"""When a planning level acts at random instead."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from layeredrl.errors import ConfigurationError
from layeredrl.utils.checkpoints import to_array
from layeredrl.utils.schedules import Schedule, as_schedule


@dataclass(frozen=True)
class Exploration:
    """Random decisions at first, then now and then, in each instance by itself."""

    warm_up_env_steps: int = 1000
    """Environment steps during which all decisions are random."""
    random_probability: Schedule | float = 0.0
    """Chance that a planning instance starts a random phase at a decision, [0, 1]."""
    random_duration: int = 1
    """Decisions per random phase, at least 1; the end of an episode ends it."""
    hold: int = 1
    """Random decisions in a row for which the same action is kept, at least 1: actions
    that last lead further than ones that cancel."""
    noise_std: Schedule | float = 0.0
    """Standard deviation of Gaussian noise on planned ``Box`` actions, in half ranges."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        counts = (self.random_duration, self.hold, self.warm_up_env_steps + 1)
        if not all(count >= 1 for count in counts):
            raise ConfigurationError(
                "random_duration and hold must be at least 1 and warm_up_env_steps at "
                f"least 0, got {self.random_duration}, {self.hold} and "
                f"{self.warm_up_env_steps}"
            )
        probability = as_schedule(self.random_probability)(self.warm_up_env_steps)
        noise_std = as_schedule(self.noise_std)(self.warm_up_env_steps)
        if not 0 <= probability <= 1 or not 0 <= noise_std < np.inf:
            raise ConfigurationError(
                "random_probability must be in [0, 1] and noise_std must not be "
                f"negative, got {self.random_probability} and {self.noise_std}"
            )

    @property
    def is_active(self) -> bool:
        """Whether any decision is other than asked for."""
        is_never = self.warm_up_env_steps == 0 and self.random_probability == 0.0
        return not (is_never and self.noise_std == 0.0)


class RunningExploration:
    """The state of an :class:`Exploration` in each instance."""

    def __init__(self, config: Exploration, n_instances: int, action_dim: int):
        """Start with no random phase in progress.

        Args:
            config: When to act at random.
            n_instances: Environment instances.
            action_dim: Action features A.
        """
        self._config = config
        self._probability = as_schedule(config.random_probability)
        self._noise_std = as_schedule(config.noise_std)
        self._remaining = np.zeros(n_instances, dtype=np.int64)
        self._held = np.zeros(n_instances, dtype=np.int64)
        self._action = np.zeros((n_instances, action_dim), dtype=np.float32)

    def choose(
        self, instances: np.ndarray, n_env_steps: int, generator: np.random.Generator
    ) -> np.ndarray:
        """Decide who acts at random this time.

        Args:
            instances: Which instances decide, (B,).
            n_env_steps: Environment steps taken so far.
            generator: Source of randomness.

        Returns:
            Whether each acts at random, (B,) bool.
        """
        if n_env_steps < self._config.warm_up_env_steps:
            return np.ones(len(instances), dtype=bool)
        probability = self._probability(n_env_steps)
        if probability > 0:
            starts = generator.random(len(instances)) < probability
            idle = self._remaining[instances] == 0
            self._remaining[instances[starts & idle]] = self._config.random_duration
        is_random = self._remaining[instances] > 0
        self._remaining[instances[is_random]] -= 1
        return is_random

    def let_go(self, instances: np.ndarray) -> None:
        """Forget the random actions of instances that do not act at random this time.

        Args:
            instances: Which ones, (B,).
        """
        self._held[instances] = 0

    def hold(self, instances: np.ndarray, fresh: np.ndarray) -> np.ndarray:
        """Keep earlier random actions for as long as they are to be held.

        Args:
            instances: Which instances act at random, (B,).
            fresh: New random actions, used where the old one is worn out, (B, A).

        Returns:
            Random actions (B, A).
        """
        worn = self._held[instances] == 0
        self._action[instances[worn]] = fresh[worn]
        self._held[instances[worn]] = self._config.hold
        self._held[instances] -= 1
        return self._action[instances]

    def noise_std(self, n_env_steps: int) -> float:
        """Standard deviation of the noise on planned actions.

        Args:
            n_env_steps: Environment steps taken so far.

        Returns:
            The standard deviation, in half ranges.
        """
        return self._noise_std(n_env_steps)

    def reset(self, instances: np.ndarray) -> None:
        """End the random phases of instances whose episode ended.

        Args:
            instances: Which ones, (B,).
        """
        self._remaining[instances] = 0
        self._held[instances] = 0

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes.

        Returns:
            Arrays.
        """
        return {
            "remaining": self._remaining.copy(),
            "held": self._held.copy(),
            "action": self._action.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        self._remaining = to_array(state["remaining"])
        self._held = to_array(state["held"])
        self._action = to_array(state["action"])
