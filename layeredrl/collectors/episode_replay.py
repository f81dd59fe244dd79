"""Bringing a running episode back by playing it again."""

from typing import Any

import gymnasium as gym
import numpy as np

from layeredrl.errors import CheckpointError
from layeredrl.utils.seeding import (
    numpy_generator,
    numpy_generator_state,
    set_numpy_generator_state,
)


class EpisodeReplay(gym.Wrapper):
    """Remembers how the running episode came about, in any deterministic environment.

    Every episode begins from a seed of its own, drawn by the wrapper's generator, so that
    all generators inside the environment are covered, also those it hides. The seed and
    the actions since then are the episode's state.
    """

    def __init__(self, env: gym.Env):
        """Wrap an environment; put it outside of its time limit.

        Args:
            env: An environment that does the same when seeded and acted on the same.
        """
        super().__init__(env)
        self._generator = numpy_generator(np.random.SeedSequence())
        self._seed: int | None = None
        self._options: dict[str, Any] | None = None
        self._actions: list[np.ndarray] = []
        self._obs: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Seeds this and all later episodes; ``None`` goes on drawing seeds.
            options: Passed on.

        Returns:
            Observation and info.
        """
        if seed is not None:
            self._generator = numpy_generator(np.random.SeedSequence(seed))
        episode_seed = int(self._generator.integers(2**31)) if seed is None else seed
        return self._begin(episode_seed, options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step and remember the action.

        Args:
            action: The action.

        Returns:
            Observation, reward, terminated, truncated, info.
        """
        self._actions.append(np.array(action))
        result = self.env.step(action)
        self._obs = result[0]
        return result

    def get_state(self) -> dict[str, Any]:
        """Describe the running episode.

        Returns:
            Arrays and plain values.
        """
        return {
            "generator": numpy_generator_state(self._generator),
            "seed": self._seed,
            "options": self._options,
            "actions": np.array(self._actions),
            "obs": _leaves(self._obs),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Bring an episode back.

        Args:
            state: What :meth:`get_state` returned, here or in an equal environment.

        Raises:
            CheckpointError: If the environment did not do the same again; a new episode
                has begun then, from where the generator was.
        """
        set_numpy_generator_state(self._generator, state["generator"])
        if state["seed"] is None:
            self._seed, self._actions = None, []
            return
        self._begin(state["seed"], state["options"])
        dtype = self.action_space.dtype
        for action in np.asarray(state["actions"]):
            self.step(action.astype(dtype))
        expected = [np.asarray(leaf) for leaf in state["obs"]]
        found = _leaves(self._obs)
        same = len(found) == len(expected) and all(
            np.array_equal(a, b) for a, b in zip(found, expected, strict=True)
        )
        if not same:
            steps = len(self._actions)
            self.reset()
            raise CheckpointError(
                f"{self.env} does not repeat itself: the same seed and {steps} actions "
                "led to another observation"
            )

    def _begin(
        self, seed: int, options: dict[str, Any] | None
    ) -> tuple[Any, dict[str, Any]]:
        self._seed, self._options, self._actions = seed, options, []
        obs, info = self.env.reset(seed=seed, options=options)
        self._obs = obs
        return obs, info


def _leaves(obs: Any) -> list[np.ndarray]:
    """All arrays of a nested observation, in order."""
    if isinstance(obs, dict):
        return [leaf for key in sorted(obs) for leaf in _leaves(obs[key])]
    if isinstance(obs, tuple):
        return [leaf for value in obs for leaf in _leaves(value)]
    return [] if obs is None else [np.array(obs)]
