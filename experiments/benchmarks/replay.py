"""Sampling partial trajectories: 256 x 21 from 8 sub-buffers of 100k."""

from collections.abc import Iterator

import numpy as np
import torch
from tianshou.data import Batch, ReplayBuffer

from experiments.benchmarks.measuring import Benchmark
from layeredrl.predictors import Predictor
from layeredrl.utils.buffers import TransitionBuffer

N_RINGS, RING_SIZE, BATCH_SIZE, N_STEPS = 8, 100_000, 256, 21
OBS_DIM, ACTION_DIM, EPISODE_LENGTH = 16, 4, 50


def replay_benchmarks() -> Iterator[Benchmark]:
    """Describe sampling with everything that learning needs, gathered.

    Yields:
        The benchmark.
    """
    buffer = full_buffer()

    def subject() -> None:
        indices, _, _ = Predictor.sample_partial_trajectories(
            buffer, BATCH_SIZE, N_STEPS
        )
        for array in (buffer.obs, buffer.act, buffer.rew, buffer.terminated):
            torch.from_numpy(array.take(indices, axis=0))
        torch.from_numpy(buffer.obs_next.take(indices[-1], axis=0))

    def reference() -> None:
        indices = buffer.generator.integers(len(buffer), size=BATCH_SIZE)
        batches = []
        for _ in range(N_STEPS):
            batches.append(buffer[indices])
            indices = buffer.next(indices)
        Batch.stack(batches)

    yield Benchmark(
        "partial trajectories, 256 x 21",
        subject,
        reference,
        0.25,
        "indexing whole batches per step",
    )


def full_buffer(obs_dim: int = OBS_DIM, ring_size: int = RING_SIZE) -> TransitionBuffer:
    """Fill a buffer with random episodes.

    Args:
        obs_dim: Features of an observation.
        ring_size: Transitions per environment instance.

    Returns:
        A full buffer of 8 rings.
    """
    buffer = TransitionBuffer(N_RINGS * ring_size, N_RINGS, np.random.SeedSequence(0))
    n = buffer.maxsize
    generator = np.random.default_rng(0)
    done = np.arange(n) % EPISODE_LENGTH == EPISODE_LENGTH - 1
    content = Batch(
        obs=generator.standard_normal((n, obs_dim), dtype=np.float32),
        act=generator.standard_normal((n, ACTION_DIM), dtype=np.float32),
        rew=generator.standard_normal(n),
        terminated=np.zeros(n, bool),
        truncated=done,
        done=done,
        obs_next=generator.standard_normal((n, obs_dim), dtype=np.float32),
        info=Batch(n_env_steps=np.ones(n, np.int64)),
    )
    one = Batch({key: value[:N_RINGS] for key, value in content.items()})
    buffer.add(one, buffer_ids=np.arange(N_RINGS))
    state = buffer.state_dict()
    state["transitions"] = {
        key: {"n_env_steps": value.n_env_steps} if isinstance(value, Batch) else value
        for key, value in content.items()
    }
    for ring in state["rings"]:
        ring.update(insertion_index=0, size=ring_size, last_index=ring_size - 1)
    buffer.load_state_dict(state)
    assert isinstance(buffer, ReplayBuffer) and len(buffer) == n
    return buffer
