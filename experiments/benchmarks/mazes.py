"""Maze steps, against a million a second."""

import time
from collections.abc import Iterator

import gymnasium as gym
import numpy as np

import layeredrl.envs  # noqa: F401  registers the mazes
from experiments.benchmarks.measuring import Benchmark

N_INSTANCES, N_STEPS = 256, 200
# A million steps a second are so many seconds for all of them.
TARGET_S = N_INSTANCES * N_STEPS / 1e6


def maze_benchmarks() -> Iterator[Benchmark]:
    """Describe stepping the native vector environment.

    Yields:
        The benchmark; its reference waits as long as a million steps a second would take.
    """
    env = gym.make_vec(
        "Maze2D-Medium-v0", N_INSTANCES, vectorization_mode="vector_entry_point"
    )
    env.reset(seed=0)
    generator = np.random.default_rng(0)
    actions = generator.uniform(-1, 1, (N_STEPS, N_INSTANCES, 2))

    def subject() -> None:
        for action in actions:
            env.step(action)

    yield Benchmark(
        f"{N_INSTANCES * N_STEPS} maze steps",
        subject,
        _busy,
        1.0,
        "a million steps a second",
    )


def _busy() -> None:
    end = time.process_time() + TARGET_S
    while time.process_time() < end:
        pass
