"""Saving a run of 100k transitions again, after 10k more."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tianshou.data import Batch

from experiments.benchmarks.measuring import Benchmark
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.replay_archive import ReplayArchive

N_RINGS, N_TRANSITIONS, N_NEW, OBS_DIM, ACTION_DIM = 8, 100_000, 10_000, 28, 4


def checkpoint_benchmarks() -> Iterator[Benchmark]:
    """Describe appending a chunk.

    Yields:
        The benchmark; its reference writes the whole buffer.
    """
    buffer = TransitionBuffer(2 * N_TRANSITIONS, N_RINGS, np.random.SeedSequence(0))
    _fill(buffer, N_TRANSITIONS)
    folder = Path(tempfile.mkdtemp(prefix="layeredrl-benchmark-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    archive = ReplayArchive(folder, "subject")
    before = archive.save(buffer, None)
    _fill(buffer, N_NEW)
    whole = ReplayArchive(folder, "reference")

    yield Benchmark(
        "saving 10k new transitions of 110k",
        lambda: archive.save(buffer, before),
        lambda: whole.save(buffer, None),
        0.5,
        "saving all of them",
    )


def _fill(buffer: TransitionBuffer, n: int) -> None:
    generator = np.random.default_rng(0)
    for _ in range(n // N_RINGS):
        buffer.add(
            Batch(
                obs=generator.standard_normal((N_RINGS, OBS_DIM), dtype=np.float32),
                act=generator.standard_normal((N_RINGS, ACTION_DIM), dtype=np.float32),
                rew=generator.standard_normal(N_RINGS),
                terminated=np.zeros(N_RINGS, bool),
                truncated=np.zeros(N_RINGS, bool),
                obs_next=generator.standard_normal(
                    (N_RINGS, OBS_DIM), dtype=np.float32
                ),
                info=Batch(n_env_steps=np.ones(N_RINGS, np.int64)),
            )
        )
