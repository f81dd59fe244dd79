"""What scoring skills costs beside the model that it asks."""

from collections.abc import Iterator

import numpy as np
import torch
from gymnasium import spaces

from experiments.benchmarks.measuring import Benchmark
from experiments.benchmarks.predictors import (
    ACTION_DIM,
    CONTEXT_DIM,
    STATE_DIM,
    make_predictor,
)
from layeredrl.objectives import SkillOutcomes, SkillSampler, SPlaTES

BATCH_SIZE, N_OTHERS, CONTROL_INTERVAL = 80, 100, 10


def skill_benchmarks() -> Iterator[Benchmark]:
    """Describe the scoring of a batch of whole skills.

    Yields:
        The benchmark.
    """
    predictor = make_predictor(n_models=1)
    skills = spaces.Box(-1.0, 1.0, (ACTION_DIM,), np.float32)
    sampler = SkillSampler(skills, np.random.SeedSequence(0), torch.device("cpu"))
    objective = SPlaTES(n_skill_samples=N_OTHERS)
    outcomes = _outcomes()
    rows = BATCH_SIZE * (N_OTHERS + 1)
    asked = (
        torch.randn(rows, STATE_DIM),
        torch.randn(rows, CONTEXT_DIM),
        torch.rand(rows, ACTION_DIM) * 2 - 1,
    )
    yield Benchmark(
        f"scores of {BATCH_SIZE} skills against {N_OTHERS} others each",
        torch.no_grad()(lambda: objective.score(predictor, outcomes, sampler, 0)),
        torch.no_grad()(lambda: predictor.model.predict(*asked)),
        1.5,
        "the model's predictions alone",
    )


def _outcomes() -> SkillOutcomes:
    shape = (BATCH_SIZE, CONTROL_INTERVAL)
    is_over = np.zeros(shape, dtype=bool)
    is_over[:, -1] = True
    state = torch.randn(BATCH_SIZE, CONTROL_INTERVAL + 1, STATE_DIM)
    return SkillOutcomes(
        skill=torch.rand(BATCH_SIZE, ACTION_DIM) * 2 - 1,
        start=state[:, 0],
        context=torch.randn(BATCH_SIZE, CONTEXT_DIM),
        state=state,
        is_over=is_over,
        is_valid=np.ones(shape, dtype=bool),
    )
