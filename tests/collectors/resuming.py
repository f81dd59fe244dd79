"""Runs that are stopped and go on, and what they must agree in."""

import json
from functools import partial

import numpy as np
import torch

from experiments.running.environments import make_vector_env
from layeredrl.collectors import Collector, MetricsLog, RunCheckpoints
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import (
    ActionSequenceLevel,
    Exploration,
    LearningSchedule,
    PlannerLevel,
)
from layeredrl.nets import Encoder
from layeredrl.optimizers import ICEMConfig
from layeredrl.planners import CEMPlanner, PlannerConfig
from layeredrl.predictors import get_default_predictor_factory


def tells_time(name):
    """Whether a metric is about time that passed."""
    return name == "wall_s" or name.startswith("time/")


class Run:
    """A small planner hierarchy in a run folder; building it twice is starting it anew."""

    def __init__(
        self,
        folder,
        env_id,
        levels_below=(),
        seed=0,
        predictor_factory=None,
        **env_kwargs,
    ):
        self.folder = folder
        self.env = make_vector_env(env_id, 3, env_kwargs, restorable=True)
        self.test_env = make_vector_env(env_id, 2, env_kwargs)
        planner = partial(
            CEMPlanner,
            config=PlannerConfig(horizon=4),
            search=ICEMConfig(n_candidates=8, n_iterations=2, elite_ratio=0.3),
        )
        top = PlannerLevel(
            predictor_factory or get_default_predictor_factory(self.env, 0),
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
            {k: v for k, v in json.loads(line).items() if not tells_time(k)}
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
    states = [b.state_dict() for b in buffers]
    for part in ("transitions", "final_frames"):
        assert_equal_arrays(*(state[part] for state in states), part)


def assert_equal_arrays(one, other, where):
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key, value in one.items():
            assert_equal_arrays(value, other[key], f"{where}/{key}")
    else:
        assert one.dtype == other.dtype and np.array_equal(one, other), where


class Glances(Encoder):
    """The vector and some pixels of the picture."""

    N_PIXELS = 5

    def __init__(self, mapped_env_obs_shape, device="cpu"):
        super().__init__()
        self.latent_state_dim = mapped_env_obs_shape["vector"][0] + self.N_PIXELS
        self.context_dim = 0

    def forward(self, obs):
        pixels = obs["observation"].flatten(-3) / 255
        chosen = torch.linspace(0, pixels.shape[-1] - 1, self.N_PIXELS).long()
        state = torch.cat([obs["vector"], pixels[..., chosen]], -1)
        return state, state[..., :0]


def two_levels():
    return [ActionSequenceLevel(2)]
