"""Mazes in which somebody pushes the agents."""

from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper

from layeredrl.envs import Maze2DVectorEnv
from layeredrl.errors import ConfigurationError

_STRIDE = 0.2  # mazes refuse to move agents further at once


class Pushes(NamedTuple):
    """One push for each instance, to the side of where it is going.

    Attributes:
        since: Environment step from which its direction is told, (B,) int64.
        at: Environment step after which it is pushed, later than ``since``, (B,) int64.
        length: How far, in units of position, to the left where positive, (B,).
    """

    since: np.ndarray
    at: np.ndarray
    length: np.ndarray


class PushedMaze(VectorWrapper):
    """Moves agents aside once, without their doing; walls stop a push as they stop steps.

    Attributes:
        pushed: How far each agent was moved, (B, 2), NaN before its push.
    """

    def __init__(self, env: VectorEnv, pushes: Pushes):
        """Wrap mazes.

        Args:
            env: Mazes of ours.
            pushes: When and how far.

        Raises:
            ConfigurationError: If it is another environment.
        """
        super().__init__(env)
        if not isinstance(env.unwrapped, Maze2DVectorEnv):
            raise ConfigurationError(
                "only agents in Maze2D environments can be pushed, this is "
                f"{type(env.unwrapped).__name__}"
            )
        self._mazes: Maze2DVectorEnv = env.unwrapped
        self._pushes = pushes
        self._n_steps = 0
        self._since = np.full((env.num_envs, 2), np.nan)
        self.pushed = np.full((env.num_envs, 2), np.nan)

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Begin anew; pushes are due again."""
        obs, infos = self.env.reset(**kwargs)
        self._n_steps = 0
        self.pushed[:] = np.nan
        self._note()
        return obs, infos

    def step(
        self, actions: Any
    ) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step, then push those whose time has come."""
        obs, *rest = self.env.step(actions)
        self._n_steps += 1
        self._note()
        due = self._pushes.at == self._n_steps
        if due.any():
            obs = self._push(due)
        return (obs, *rest)

    def _note(self) -> None:
        begins = self._pushes.since == self._n_steps
        if begins.any():
            self._since[begins] = self._mazes.get_state()["positions"][begins]

    def _push(self, due: np.ndarray) -> Any:
        state = self._mazes.get_state()
        before = state["positions"][due]
        way = before - self._since[due]
        aside = np.stack([-way[:, 1], way[:, 0]], axis=-1)
        aside /= np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-9)
        aside *= self._pushes.length[due, None]
        n_strides = max(1, int(np.ceil(np.abs(aside).max() / _STRIDE)))
        after = before
        for _ in range(n_strides):
            after = self._mazes.task.maze.move(after, aside / n_strides)
        state["positions"][due] = after
        self._mazes.set_state(state)
        self.pushed[due] = after - before
        return self._mazes.world.observe()
