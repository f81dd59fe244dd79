"""Steps of mazes: a million a second, and twenty thousand seen as pictures."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import gymnasium as gym
import numpy as np

import layeredrl.envs  # noqa: F401  registers the mazes
from experiments.benchmarks.measuring import Benchmark

N_INSTANCES, N_STEPS, N_PIXEL_STEPS = 256, 200, 20
STEPS_PER_S, FRAMES_PER_S = 1_000_000, 20_000


def maze_benchmarks() -> Iterator[Benchmark]:
    """Describe stepping the native vector environment, with positions and with pictures.

    Yields:
        The benchmarks; their references wait as long as the wanted rates would take.
    """
    yield Benchmark(
        f"{N_INSTANCES * N_STEPS} maze steps",
        _steps(N_STEPS, pixels=False),
        partial(_busy, N_INSTANCES * N_STEPS / STEPS_PER_S),
        1.0,
        "a million steps a second",
    )
    yield Benchmark(
        f"{N_INSTANCES * N_PIXEL_STEPS} maze pictures (64 x 64)",
        _steps(N_PIXEL_STEPS, pixels=True),
        partial(_busy, N_INSTANCES * N_PIXEL_STEPS / FRAMES_PER_S),
        1.0,
        "20 thousand steps a second",
    )


def _steps(n_steps: int, pixels: bool) -> Callable[[], None]:
    env = gym.make_vec(
        "Maze2D-Medium-v0",
        N_INSTANCES,
        vectorization_mode="vector_entry_point",
        pixels=pixels,
    )
    env.reset(seed=0)
    generator = np.random.default_rng(0)
    actions = generator.uniform(-1, 1, (n_steps, N_INSTANCES, 2))

    def work() -> None:
        for action in actions:
            env.step(action)

    return work


def _busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
