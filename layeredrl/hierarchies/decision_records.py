"""What has happened since each level last decided, per environment instance."""

from typing import Any

import numpy as np

from layeredrl.errors import ConfigurationError
from layeredrl.types import Observation
from layeredrl.utils.checkpoints import to_array


class DecisionRecord:
    """One level's decision in progress in every instance: a semi-MDP step in the making."""

    def __init__(
        self,
        n_instances: int,
        gamma: float,
        neutral: np.ndarray,
        path_shape: tuple[int, int] = (0, 0),
    ):
        """Start with every instance awaiting a decision.

        Args:
            n_instances: Environment instances.
            gamma: Discount per environment step of the level's rewards.
            neutral: Action features that stand for no decision yet, (A,).
            path_shape: Environment steps that a decision takes at most, and features that
                are recorded at each of them, (H, G).
        """
        self.needs_decision = np.ones(n_instances, dtype=bool)
        self.action = np.tile(neutral, (n_instances, 1))
        self._obs: dict[str, np.ndarray] = {}
        self._gamma = gamma
        self._reward = np.zeros(n_instances)
        self._discount = np.ones(n_instances)
        self._n_env_steps = np.zeros(n_instances, dtype=np.int64)
        self._path = np.full((n_instances, *path_shape), np.nan, dtype=np.float32)

    def begin(
        self, obs: Observation, action: np.ndarray, instances: np.ndarray
    ) -> None:
        """Note a decision.

        Args:
            obs: What the level saw, (B, O), or a dict of such.
            action: What it decided, features (B, A).
            instances: Which instances, (B,).
        """
        self.action[instances] = action
        for key, value in _parts(obs).items():
            if key not in self._obs:
                shape = (len(self.action), *value.shape[1:])
                self._obs[key] = np.zeros(shape, value.dtype)
            self._obs[key][instances] = value
        self._reward[instances] = 0.0
        self._discount[instances] = 1.0
        self._n_env_steps[instances] = 0
        self._path[instances] = np.nan
        self.needs_decision[instances] = False

    def add(self, reward: np.ndarray, stepped: np.ndarray) -> None:
        """Note an environment step.

        Args:
            reward: Rewards of all instances, (n_instances,).
            stepped: Which instances took a step, (n_instances,) bool.
        """
        self._reward += np.where(stepped, self._discount * reward, 0.0)
        self._discount = np.where(stepped, self._discount * self._gamma, self._discount)
        self._n_env_steps += stepped

    def add_to_path(self, reached: np.ndarray, stepped: np.ndarray) -> None:
        """Note where an environment step led; after :meth:`add`.

        Args:
            reached: Recorded features of all instances, (n_instances, G).
            stepped: Which instances took a step, (n_instances,) bool.

        Raises:
            ConfigurationError: If a decision takes longer than it may.
        """
        instances = np.flatnonzero(stepped)
        step = self._n_env_steps[instances] - 1
        longest = self._path.shape[1]
        if step.size and step.max() >= longest:
            raise ConfigurationError(
                f"a decision took {step.max() + 1} environment steps, but the levels "
                f"below say that they take {longest} at most"
            )
        self._path[instances, step] = reached[instances]

    def path(self, instances: np.ndarray) -> np.ndarray | None:
        """Read where decisions led, step by step.

        Args:
            instances: Which ones, (B,).

        Returns:
            Recorded features, NaN for steps that were not taken, (B, H, G); ``None`` if
            nothing is recorded.
        """
        return self._path[instances] if self._path.shape[2] else None

    def finish(
        self, instances: np.ndarray
    ) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray]:
        """End decisions; these instances await a new one.

        Args:
            instances: Which ones, (B,).

        Returns:
            Observation, action features, reward and environment steps of each, (B, ...).
        """
        self.needs_decision[instances] = True
        obs = {key: value[instances] for key, value in self._obs.items()}
        return (
            _whole(obs),
            self.action[instances],
            self._reward[instances],
            self._n_env_steps[instances],
        )

    def reset(self, instances: np.ndarray) -> None:
        """Drop decisions in progress.

        Args:
            instances: Which instances, (B,).
        """
        self.needs_decision[instances] = True

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes.

        Returns:
            Arrays.
        """
        return {
            "needs_decision": self.needs_decision.copy(),
            "action": self.action.copy(),
            "obs": {key: value.copy() for key, value in self._obs.items()},
            "reward": self._reward.copy(),
            "discount": self._discount.copy(),
            "n_env_steps": self._n_env_steps.copy(),
            "path": self._path.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        self.needs_decision = to_array(state["needs_decision"])
        self.action = to_array(state["action"])
        self._obs = {key: to_array(value) for key, value in state["obs"].items()}
        self._reward = to_array(state["reward"])
        self._discount = to_array(state["discount"])
        self._n_env_steps = to_array(state["n_env_steps"])
        self._path = to_array(state["path"])


_ONLY = ""


def _parts(obs: Observation) -> dict[str, np.ndarray]:
    return obs if isinstance(obs, dict) else {_ONLY: obs}


def _whole(parts: dict[str, np.ndarray]) -> Observation:
    return parts[_ONLY] if _ONLY in parts else parts
