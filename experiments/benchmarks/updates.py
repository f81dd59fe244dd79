"""One update of a predictor: 256 partial trajectories, 1024 transitions."""

from collections.abc import Iterator

from tianshou.data import ReplayBuffer

from experiments.benchmarks.measuring import Benchmark, Work
from experiments.benchmarks.predictors import CONTEXT_DIM, STATE_DIM, make_predictor
from experiments.benchmarks.replay import full_buffer
from layeredrl.predictors import RewardPredictor

BATCH_SIZE, MODEL_BATCH_SIZE = 256, 1024
# Levels learn in bursts; and this many per call are few.
N_UPDATES = 24


def update_benchmarks() -> Iterator[Benchmark]:
    """Describe updates with 1 and 5 members, with a value function.

    Yields:
        The benchmarks.
    """
    buffer = full_buffer(STATE_DIM + CONTEXT_DIM, ring_size=12_500)
    for n_models in (1, 5):
        yield Benchmark(
            f"{N_UPDATES} predictor updates, {n_models} members",
            _full_updates(make_predictor(n_models, use_value=True), buffer),
            _bare_updates(make_predictor(n_models, use_value=True), buffer),
            1.3,
            "forward, backward, clipping and Adam alone",
        )


def _full_updates(predictor: RewardPredictor, buffer: ReplayBuffer) -> Work:
    def subject() -> None:
        predictor.learn(buffer, N_UPDATES, BATCH_SIZE, MODEL_BATCH_SIZE, 0)

    return subject


def _bare_updates(predictor: RewardPredictor, buffer: ReplayBuffer) -> Work:
    model_batch = predictor.sample_model_batch(buffer, MODEL_BATCH_SIZE)
    batch = predictor.compute_targets(
        buffer, BATCH_SIZE, predictor.k_steps, predictor.n_steps
    )

    def reference() -> None:
        for _ in range(N_UPDATES):
            loss, _ = predictor.loss(batch, model_batch)
            predictor.optimizer.step(loss)

    return reference
