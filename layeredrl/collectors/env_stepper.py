"""One way to step vector environments, whatever their autoreset mode."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from layeredrl.errors import ConfigurationError

SUCCESS_KEYS = ("success", "is_success")


class Step(NamedTuple):
    """One environment step of all instances.

    Attributes:
        next_obs: Observations after the step, the true final ones where an episode ended.
        reward: Rewards, (B,) float64.
        terminated: Whether the environment ended the episode, (B,) bool.
        truncated: Whether the episode was cut off, (B,) bool.
        success: Whether the goal is reached after the step, (B,) bool; ``None`` if the
            environment does not say.
        taken: Which instances took a step; the others were being reset, (B,) bool.
    """

    next_obs: Any
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    success: np.ndarray | None
    taken: np.ndarray


class EnvStepper:
    """Steps a vector environment; every autoreset mode gives the same transitions.

    Attributes:
        obs: Observations to act on.
        active: Which instances are within an episode, (B,) bool. In ``NEXT_STEP`` mode
            one step after an episode's end is spent on the reset.
    """

    def __init__(self, env: VectorEnv):
        """Find out how the environment resets.

        Args:
            env: The vector environment.

        Raises:
            ConfigurationError: If it is no vector environment, or does not say how it
                resets.
        """
        if not isinstance(env, VectorEnv):
            raise ConfigurationError(
                f"expected a vector environment, got {env}; wrap it: "
                "gymnasium.vector.SyncVectorEnv([lambda: env])"
            )
        try:
            self._mode = AutoresetMode(env.metadata["autoreset_mode"])
        except (KeyError, ValueError) as error:
            raise ConfigurationError(
                f"{env} does not say how it resets; its metadata need an entry "
                f"'autoreset_mode' from {[mode.name for mode in AutoresetMode]}"
            ) from error
        self.env = env
        self.obs: Any = None
        self.active = np.ones(env.num_envs, dtype=bool)

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode in every instance.

        Args:
            seed: Seeds the environment; ``None`` goes on with its generators.
        """
        self.obs, _ = self.env.reset(seed=seed)
        self.active = np.ones(self.env.num_envs, dtype=bool)

    def step(self, actions: np.ndarray) -> Step:
        """Take a step in every active instance.

        Args:
            actions: Actions (B, ...); those of instances not active are ignored.

        Returns:
            What happened.
        """
        taken = self.active
        obs, reward, terminated, truncated, info = self.env.step(actions)
        terminated, truncated = terminated & taken, truncated & taken
        done = terminated | truncated
        next_obs, success = obs, _success(info)
        if self._mode is AutoresetMode.SAME_STEP and done.any():
            next_obs = _merged(obs, info["final_obs"], done)
            final = _success(info.get("final_info", {}))
            if success is not None and final is not None:
                success = np.where(done, final, success)
            elif final is not None:
                success = final & done
        if self._mode is AutoresetMode.NEXT_STEP:
            self.active = ~done
        if self._mode is AutoresetMode.DISABLED and done.any():
            obs, _ = self.env.reset(options={"reset_mask": done})
        self.obs = obs
        return Step(
            next_obs,
            np.asarray(reward, np.float64),
            terminated,
            truncated,
            success,
            taken,
        )


def _success(info: Mapping[str, Any]) -> np.ndarray | None:
    for key in SUCCESS_KEYS:
        if key in info:
            return np.asarray(info[key], dtype=np.float64) > 0.5
    return None


def _merged(obs: Any, final: Any, done: np.ndarray) -> Any:
    """Replace the rows of finished instances by their final observations."""
    if isinstance(obs, Mapping):
        parts = {
            key: (
                final[key]
                if isinstance(final, Mapping)
                else [None if row is None else row[key] for row in final]
            )
            for key in obs
        }
        return {key: _merged(value, parts[key], done) for key, value in obs.items()}
    if isinstance(obs, tuple):
        rows = [
            [None if row is None else row[i] for row in final] for i in range(len(obs))
        ]
        return tuple(
            _merged(part, row, done) for part, row in zip(obs, rows, strict=True)
        )
    merged = obs.copy()
    for i in np.flatnonzero(done):
        merged[i] = final[i]
    return merged
