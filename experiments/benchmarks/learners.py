"""TD-MPC2 of the size "tiny": decisions and updates."""

import copy
from collections.abc import Iterator

import numpy as np
import torch

from experiments.benchmarks.measuring import Benchmark, Work
from experiments.benchmarks.predictors import ACTION_DIM, ACTION_SPACE
from experiments.benchmarks.replay import OBS_DIM, full_buffer
from layeredrl.learners import (
    Learner,
    LearnerSpec,
    Situation,
    TDMPC2Config,
)
from layeredrl.learners.action_scaling import ActionScaling
from layeredrl.learners.tdmpc2.losses import (
    imagine,
    model_losses,
    policy_values,
    td_targets,
)
from layeredrl.learners.tdmpc2.sizes import MODEL_SIZES
from layeredrl.learners.tdmpc2.stretches import Stretches, read_stretches
from layeredrl.learners.tdmpc2.two_hot import TwoHot
from layeredrl.learners.tdmpc2.world_model import WorldModel

BATCH_SIZE = 256
N_DECISIONS, N_UPDATES = 4, 8


def learner_benchmarks() -> Iterator[Benchmark]:
    """Describe decisions and updates.

    Yields:
        The benchmarks.
    """
    yield Benchmark(
        f"{N_DECISIONS} TD-MPC2 plans for 16 instances",
        _decisions(16),
        _decisions(1),
        4.0,
        "the same for one instance",
    )
    buffer = full_buffer(ring_size=12_500)
    learner = _learner(1)

    def updates() -> None:
        for _ in range(N_UPDATES):
            learner.update(learner.sample(buffer, BATCH_SIZE))

    config = TDMPC2Config()
    stretches = read_stretches(
        learner.sample(buffer, BATCH_SIZE),
        0,
        ActionScaling(ACTION_SPACE, torch.device("cpu")),
        config.gamma,
        config.rho,
    )
    yield Benchmark(
        f"{N_UPDATES} TD-MPC2 updates",
        updates,
        _bare_updates(stretches, config),
        1.5,
        "losses forward and backward alone",
    )


def _learner(n_instances: int) -> Learner:
    return TDMPC2Config().build(
        LearnerSpec(
            obs_shape=(OBS_DIM,),
            n_condition=0,
            action_space=ACTION_SPACE,
            n_instances=n_instances,
            device=torch.device("cpu"),
            seed=np.random.SeedSequence(0),
        )
    )


def _decisions(n_instances: int) -> Work:
    learner = _learner(n_instances)
    situation = Situation(
        obs=torch.randn(n_instances, OBS_DIM),
        prev_action=torch.zeros(n_instances, ACTION_DIM),
        prev_reward=torch.zeros(n_instances),
        time_idx=torch.zeros(n_instances, dtype=torch.int64),
        instances=np.arange(n_instances),
    )

    def work() -> None:
        for _ in range(N_DECISIONS):
            learner.act(situation, explore=True)

    return work


def _bare_updates(stretches: Stretches, config: TDMPC2Config) -> Work:
    """Differentiate the losses of one batch, again and again."""
    model = WorldModel(
        OBS_DIM,
        0,
        ACTION_DIM,
        MODEL_SIZES[config.model_size],
        TwoHot(config.n_bins, config.vmin, config.vmax),
        config.episodic,
        config.gamma,
    )
    target_values = copy.deepcopy(model.values).requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    policy = list(model.policy.parameters())
    others = [p for name, p in model.named_parameters() if "policy" not in name]

    def reference() -> None:
        for _ in range(N_UPDATES):
            with torch.no_grad():
                next_state = model.encode(stretches.obs[:, 1:])
            targets = td_targets(model, target_values, stretches, next_state, generator)
            imagined = imagine(model, stretches)
            losses = model_losses(model, stretches, imagined, next_state, targets)
            torch.autograd.grad(torch.stack(losses).sum(), others)
            model.values.requires_grad_(False)
            value, entropy = policy_values(model, imagined[0], ACTION_DIM, generator)
            torch.autograd.grad(stretches.mean(value + entropy), policy)
            model.values.requires_grad_(True)

    return reference
