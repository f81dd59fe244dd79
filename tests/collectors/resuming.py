"""Runs that are stopped and go on, and what they must agree in."""

import json
from functools import partial

import numpy as np
import torch

from experiments.environments import make_vector_env
from layeredrl.collectors import Collector, MetricsLog, RunCheckpoints
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import (
    ActionSequenceLevel,
    Exploration,
    LearningSchedule,
    PlannerLevel,
)
from layeredrl.optimizers import ICEMConfig
from layeredrl.planners import CEMPlanner, PlannerConfig
from layeredrl.predictors import get_default_predictor_factory

TIME_COLUMNS = {"wall_s", "time/env_steps_per_s"}


class Run:
    """A small planner hierarchy in a run folder; building it twice is starting it anew."""

    def __init__(self, folder, env_id, levels_below=(), seed=0, **env_kwargs):
        self.folder = folder
        self.env = make_vector_env(env_id, 3, env_kwargs, restorable=True)
        self.test_env = make_vector_env(env_id, 2, env_kwargs)
        planner = partial(
            CEMPlanner,
            config=PlannerConfig(horizon=4),
            search=ICEMConfig(n_candidates=8, n_iterations=2, elite_ratio=0.3),
        )
        top = PlannerLevel(
            get_default_predictor_factory(self.env, 0),
            planner,
            Exploration(
                warm_up_env_steps=60, hold=3, random_probability=0.1, noise_std=0.2
            ),
            LearningSchedule(30, 12, 0.25, batch_size=16, model_batch_size=16),
            buffer_size=150,
        )
        self.hierarchy = Hierarchy([top, *levels_below], self.env, seed=seed)
        folder.mkdir(exist_ok=True)
        self.log = MetricsLog(folder / "metrics.jsonl")
        self.checkpoints = RunCheckpoints(folder / "checkpoints")
        self.collector = Collector(
            self.hierarchy,
            self.env,
            self.test_env,
            metrics_log=self.log,
            checkpoints=self.checkpoints,
        )

    def until(self, n_env_steps, **options):
        left = n_env_steps - self.collector.n_env_steps
        if left > 0:
            settings = {
                "test_interval": 90,
                "n_test_episodes": 2,
                "log_interval": 30,
                "show_progress": False,
            }
            self.collector.collect(left, **{**settings, **options})
        return self

    def weights(self):
        state = {}
        for i, level in enumerate(self.hierarchy.levels):
            if level.predictor is not None:
                for name, value in level.predictor.state_dict().items():
                    state[f"{i}/{name}"] = value
        return state

    def metrics(self):
        lines = (self.folder / "metrics.jsonl").read_text().splitlines()
        return [
            {k: v for k, v in json.loads(line).items() if k not in TIME_COLUMNS}
            for line in lines
        ]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.log.close()
        self.env.close()
        self.test_env.close()


def assert_same(run, other):
    """Same weights and metrics, bit for bit."""
    weights, others = run.weights(), other.weights()
    assert weights.keys() == others.keys() and weights
    for name, value in weights.items():
        assert torch.equal(value, others[name]), name
    assert run.metrics() == other.metrics()
    buffers = [r.hierarchy.levels[0].buffer for r in (run, other)]
    assert np.array_equal(buffers[0].n_added, buffers[1].n_added)
    for key in ("obs", "act", "rew", "done", "terminated", "truncated", "obs_next"):
        arrays = [getattr(b, key) for b in buffers]
        assert np.array_equal(*arrays), key


def two_levels():
    return [ActionSequenceLevel(2)]
