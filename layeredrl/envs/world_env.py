"""An ordinary Gymnasium environment made of a world with one instance."""

from abc import ABC
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from layeredrl.envs.maze_rendering import check_render_mode
from layeredrl.envs.states import (
    check_state,
    generators_to_words,
    words_to_generators,
)
from layeredrl.envs.vector_arguments import check_action_shape
from layeredrl.envs.vector_infos import row_of
from layeredrl.envs.world import World

_ROW = np.zeros(1, dtype=np.intp)


class WorldEnv(gym.Env[Any, Any], ABC):
    """One instance of a world.

    Attributes:
        world: The world.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, world: World, render_mode: str | None) -> None:
        """Set up the environment.

        Args:
            world: A world with one instance.
            render_mode: ``"rgb_array"``, or ``None``.
        """
        self.world = world
        self.observation_space = world.observation_space
        self.action_space = world.action_space
        self.render_mode = check_render_mode(render_mode)
        self._is_started = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: Seed of the environment's generator, or ``None`` to go on with it.
            options: What to use instead of random choices, see the class.

        Returns:
            Observation and info.
        """
        super().reset(seed=seed)
        given = self.world.read_options(options or {})
        self.world.start(_ROW, [self.np_random], given)
        self._is_started = True
        return row_of(self.world.observe(), 0), self._info(False)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Do a step.

        Args:
            action: An action of the ``action_space``, see the class.

        Returns:
            Observation, reward, terminated, truncated and info.
        """
        self._check_started()
        shape = self.action_space.shape or ()
        outcome = self.world.advance(check_action_shape(action, shape)[None], None)
        truncated = bool(self.world.elapsed_steps[0] >= self.world.episode_steps)
        return (
            row_of(self.world.observe(), 0),
            float(outcome.rewards[0]),
            bool(outcome.terminated[0]),
            truncated,
            self._info(bool(outcome.success[0])),
        )

    def render(self) -> np.ndarray | None:
        """Draw the environment.

        Returns:
            A picture (height, width, 3) uint8, or ``None`` without a render mode.
        """
        if self.render_mode is None:
            gym.logger.warn('pass render_mode="rgb_array" to render')
            return None
        self._check_started()
        return self.world.draw()[0]

    def get_state(self) -> dict[str, Any]:
        """Return all that decides what happens next, as arrays and plain values.

        The steps that a ``TimeLimit`` wrapper counts are not in it; neither are the
        generators of the spaces, nor what is only drawn.

        Returns:
            A state: the world's, and ``generators`` (1, 6) int64.
        """
        self._check_started()
        arrays = {key: array.copy() for key, array in self.world.arrays().items()}
        words = generators_to_words([self.np_random])
        return {**self.world.identity(), **arrays, "generators": words}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state.

        Gymnasium's wrappers want a ``reset`` before the first step all the same: call it
        first, then this, then restore the elapsed steps of ``TimeLimit``.

        Args:
            state: What ``get_state`` returned, here or in an environment like this one.

        Raises:
            CheckpointError: The state is of another environment, or otherwise does not fit.
        """
        words = np.zeros((1, 6), dtype=np.int64)
        like = {**self.world.arrays(), "generators": words}
        arrays = check_state(state, self.world.identity(), like)
        self.world.check(arrays)
        self.world.restore(arrays)
        self.np_random = words_to_generators(arrays["generators"])[0]
        self._is_started = True

    def _check_started(self) -> None:
        if not self._is_started:
            raise gym.error.ResetNeeded("call reset (or set_state) first")

    def _info(self, success: bool) -> dict[str, Any]:
        return {"success": success, **row_of(self.world.infos(), 0)}
