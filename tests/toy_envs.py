"""Environments that say where, when and in which episode they are."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

MODES = ("NextStep", "SameStep", "Disabled")
KINDS = ("box", "dict", "tuple", "image")
BOX = spaces.Box(-1.0, 1.0, (1,), np.float32)


def unbounded(dim=1):
    return spaces.Box(-np.inf, np.inf, (dim,), np.float32)


OBSERVATIONS = {
    "box": unbounded(3),
    "dict": spaces.Dict(
        {
            "episode": unbounded(),
            "where": spaces.Dict({"place": unbounded(), "time": unbounded()}),
        }
    ),
    "tuple": spaces.Tuple(
        (unbounded(), spaces.Dict({"place": unbounded(), "time": unbounded()}))
    ),
    "image": spaces.Dict(
        {"camera": spaces.Box(0, 255, (2, 3), np.uint8), "state": unbounded(3)}
    ),
}


class Line(gym.Env):
    """A point on a line, in episodes of 2 to 6 steps.

    Flattened, the observation is (episode, place, time). The reward of a step is its
    time plus half the place. Odd lengths end by termination, even ones by truncation; at
    the last step of an even length the goal is reached, and never before.
    """

    def __init__(self, kind="box", actions=BOX, reports="always", lengths=(2, 7)):
        self.observation_space = OBSERVATIONS[kind]
        self.action_space = actions
        self._kind, self._reports, self._lengths = kind, reports, lengths
        self._episode = -1
        self.actions = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._length = int(self.np_random.integers(*self._lengths))
        self._episode = 0 if seed is not None else self._episode + 1
        self._time, self._place = 0, 0.0
        return self._observe(), self._info(False)

    def step(self, action):
        assert self.action_space.contains(action), action
        self.actions.append(action)
        self._time += 1
        self._place += float(np.sum(action))
        is_over = self._time >= self._length
        is_odd = self._length % 2 == 1
        return (
            self._observe(),
            self._time + 0.5 * self._place,
            is_over and is_odd,
            is_over and not is_odd,
            self._info(is_over and not is_odd),
        )

    def _info(self, success):
        said = {
            "always": {"success": success},
            "never": {},
            "when reached": {"is_success": 1.0} if success else {},
        }
        return said[self._reports]

    def _observe(self):
        episode, place, time = (
            np.array([x], np.float32) for x in (self._episode, self._place, self._time)
        )
        where = {"place": place, "time": time}
        if self._kind == "dict":
            return {"episode": episode, "where": where}
        if self._kind == "tuple":
            return (episode, where)
        state = np.concatenate([episode, place, time])
        if self._kind == "image":
            camera = np.full((2, 3), 10 * self._episode + self._time, np.uint8)
            return {"camera": camera, "state": state}
        return state


def lines(n=3, mode="NextStep", copy=True, vector=SyncVectorEnv, **kwargs):
    """A vector environment of lines; without ``copy`` it writes into the same arrays."""
    return vector(
        [lambda: Line(**kwargs)] * n, autoreset_mode=AutoresetMode(mode), copy=copy
    )


class Spaces(VectorEnv):
    """A vector environment of which only spaces and size are looked at."""

    def __init__(self, n=3, obs=OBSERVATIONS["box"], actions=BOX):
        self.num_envs = n
        self.single_observation_space = obs
        self.single_action_space = actions
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
