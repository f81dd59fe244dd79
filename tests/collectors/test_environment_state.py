"""What is brought back of an environment, and what is said of the rest."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers.vector import (
    FlattenObservation,
    NormalizeObservation,
    NormalizeReward,
)

import layeredrl.envs  # noqa: F401
from layeredrl.collectors.environment_state import (
    environment_state,
    restore_environment,
)


class Own(gym.vector.VectorWrapper):
    """Might hold anything."""


@pytest.mark.parametrize(
    "wrappers, named",
    [
        ((), None),
        ((FlattenObservation,), None),
        ((FlattenObservation, NormalizeObservation), "NormalizeObservation"),
        ((NormalizeReward, FlattenObservation), "NormalizeReward"),
        ((Own,), "Own"),
    ],
)
def test_wrappers_that_begin_anew_are_named(wrappers, named, caplog):
    env = gym.make_vec("Maze2D-Open-v0", num_envs=2)
    for wrapper in wrappers:
        env = wrapper(env)
    env.reset(seed=0)
    state = environment_state(env)
    assert restore_environment(env, state, np.zeros(2, bool))
    assert ("not saved" in caplog.text) == (named is not None)
    assert named is None or named in caplog.text
