"""One way to step vector environments, whatever their autoreset mode."""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from layeredrl.collectors.environment_state import (
    environment_state,
    restore_environment,
)
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
from layeredrl.utils.checkpoints import to_array

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

    What it returns stays as it is, even where the environment writes its next
    observations into the same arrays.

    Attributes:
        obs: Observations to act on.
        active: Which instances are within an episode, (B,) bool. In ``NEXT_STEP`` mode
            one step after an episode's end is spent on the reset.
    """

    def __init__(self, env: VectorEnv, hierarchy: Hierarchy | None = None):
        """Find out how the environment resets.

        Args:
            env: The vector environment.
            hierarchy: Who will act in it, if that is to be checked.

        Raises:
            ConfigurationError: If it is no vector environment, does not say how it
                resets, or has another size than the hierarchy was built for.
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
        if hierarchy is not None and env.num_envs != hierarchy.n_instances:
            raise ConfigurationError(
                f"the hierarchy was built for {hierarchy.n_instances} instances, the "
                f"environment has {env.num_envs}"
            )
        self.env = env
        self.obs: Any = None
        self.active = np.ones(env.num_envs, dtype=bool)

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode in every instance.

        Args:
            seed: Seeds the environment; ``None`` goes on with its generators.
        """
        obs, _ = self.env.reset(seed=seed)
        self.obs = copy.deepcopy(obs)
        self.active = np.ones(self.env.num_envs, dtype=bool)

    def step(self, actions: np.ndarray) -> Step:
        """Take a step in every active instance.

        Args:
            actions: Actions (B, ...); those of instances not active are ignored.

        Returns:
            What happened.

        Raises:
            ConfigurationError: If the environment says that it resets at once, but keeps
                the final observations to itself.
        """
        taken = self.active
        obs, reward, terminated, truncated, info = self.env.step(actions)
        obs = copy.deepcopy(obs)
        terminated = np.asarray(terminated, bool) & taken
        truncated = np.asarray(truncated, bool) & taken
        done = terminated | truncated
        next_obs, success = obs, _success(info)
        if self._mode is AutoresetMode.SAME_STEP and done.any():
            next_obs = _merged(obs, self._final(info, "final_obs"), done)
            success = _final_success(success, info.get("final_info", {}), done)
        if self._mode is AutoresetMode.NEXT_STEP:
            self.active = ~done
        if self._mode is AutoresetMode.DISABLED and done.any():
            obs, _ = self.env.reset(options={"reset_mask": done.copy()})
            obs = copy.deepcopy(obs)
        self.obs = obs
        return Step(
            next_obs,
            np.array(reward, np.float64),
            terminated,
            truncated,
            success,
            taken,
        )

    def state_dict(self) -> dict[str, Any]:
        """Copy the environment's state and what is to be acted on.

        Returns:
            Arrays and plain values; the environment's part is ``None`` if it offers none.
        """
        return {
            "obs": copy.deepcopy(self.obs),
            "active": self.active.copy(),
            "environment": environment_state(self.env),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """Bring the running episodes back.

        Args:
            state: What :meth:`state_dict` returned.

        Returns:
            Whether that was possible; if not, new episodes have begun everywhere.
        """
        active = to_array(state["active"])
        if restore_environment(self.env, state["environment"], ~active):
            self.obs = _restored_obs(self.env.single_observation_space, state["obs"])
            self.active = active
            return True
        self.reset()
        return False

    def _final(self, info: Mapping[str, Any], key: str) -> Any:
        if key not in info:
            raise ConfigurationError(
                f"{self.env} resets in the same step, so its info needs {key!r} where an "
                f"episode ended; found {sorted(info)}"
            )
        return info[key]


def _restored_obs(space: spaces.Space, saved: Any) -> Any:
    """Give saved observations back the containers that files do not keep."""
    if isinstance(space, spaces.Dict):
        return {
            key: _restored_obs(child, saved[key]) for key, child in space.spaces.items()
        }
    if isinstance(space, spaces.Tuple):
        pairs = zip(space.spaces, saved, strict=True)
        return tuple(_restored_obs(child, value) for child, value in pairs)
    return to_array(saved)


def _final_success(
    success: np.ndarray | None, final_info: Mapping[str, Any], done: np.ndarray
) -> np.ndarray | None:
    """Replace what belongs to the episodes just begun by what ended the last ones."""
    final = _success(final_info)
    if success is None and final is None:
        return None
    ended = np.zeros_like(done) if final is None else final & done
    return ended if success is None else np.where(done, ended, success)


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
