"""Planning: 256 candidates, 6 iterations, 15 steps."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from experiments.benchmarks.measuring import Benchmark, Work
from experiments.benchmarks.predictors import (
    ACTION_DIM,
    ACTION_SPACE,
    CONTEXT_DIM,
    STATE_DIM,
    make_predictor,
)
from layeredrl.models import ProbabilisticEnsemble
from layeredrl.nets import RewardNet
from layeredrl.optimizers import ICEM, ICEMConfig, Optimizer, Refined, RefinedConfig
from layeredrl.planners import CEMPlanner, OptimizerPlanner, PlannerConfig
from layeredrl.predictors import RewardPredictor

N_CANDIDATES, N_ITERATIONS, HORIZON = 256, 6, 15


def planning_benchmarks() -> Iterator[Benchmark]:
    """Describe planning for 1 and 16 instances, with 1 and 5 members, and refined.

    Yields:
        The benchmarks.
    """
    for n_models in (1, 5):
        for n_instances, target in ((1, 1.6), (16, 1.3)):
            yield _planning(n_models, n_instances, target)
    yield _refinement(16, 1.5)


def _planning(n_models: int, n_instances: int, target: float) -> Benchmark:
    predictor = make_predictor(n_models)
    planner = CEMPlanner(
        predictor,
        ACTION_SPACE,
        n_instances,
        np.random.SeedSequence(0),
        PlannerConfig(horizon=HORIZON),
        # As many candidates in every iteration as the reference has rows.
        ICEMConfig(
            n_iterations=N_ITERATIONS,
            n_candidates=N_CANDIDATES,
            population_decay=1.0,
            keep_ratio=0.0,
            shift_ratio=0.0,
            use_mean=False,
        ),
    )
    state = torch.randn(n_instances, STATE_DIM)
    context = torch.randn(n_instances, CONTEXT_DIM)
    active = np.arange(n_instances)
    return Benchmark(
        f"planning, {n_instances} instances, {n_models} members",
        lambda: planner.plan(state, context, active),
        _bare_forwards(predictor, n_instances * N_CANDIDATES),
        target,
        "dynamics and reward forwards alone",
    )


def _refinement(n_instances: int, target: float) -> Benchmark:
    predictor = make_predictor(1)
    search = partial(
        ICEM, config=ICEMConfig(n_iterations=N_ITERATIONS, n_candidates=N_CANDIDATES)
    )
    refined = partial(Refined, partial_search=search, config=RefinedConfig(n_steps=10))
    state = torch.randn(n_instances, STATE_DIM)
    context = torch.randn(n_instances, CONTEXT_DIM)
    active = np.arange(n_instances)

    def planning(partial_optimizer: Callable[..., Optimizer]) -> Work:
        planner = OptimizerPlanner(
            predictor,
            ACTION_SPACE,
            n_instances,
            np.random.SeedSequence(0),
            partial_optimizer,
            PlannerConfig(horizon=HORIZON),
        )
        return lambda: planner.plan(state, context, active)

    return Benchmark(
        f"planning with 10 gradient steps, {n_instances} instances",
        planning(refined),
        planning(search),
        target,
        "the search alone",
    )


def _bare_forwards(predictor: RewardPredictor, n_rows: int) -> Work:
    model, reward = predictor.model, predictor.rew_func
    assert isinstance(model, ProbabilisticEnsemble) and isinstance(reward, RewardNet)
    n_features = STATE_DIM + CONTEXT_DIM + ACTION_DIM
    inputs = torch.randn(model.n_models, n_rows, n_features)
    reward_inputs = inputs.flatten(0, 1)

    @torch.no_grad()
    def reference() -> None:
        for _ in range(N_ITERATIONS * HORIZON):
            out = model.members(inputs)
            weights = out.logits.softmax(-1).unsqueeze(-1)
            (weights * out.mean).sum(-2)
            out.term_logit.sigmoid()
            reward.regressor.mlp(reward_inputs)

    return reference
