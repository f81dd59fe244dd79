"""Ray itself: one small cluster for all tests of this module."""

import os
import signal
from contextlib import contextmanager

import gymnasium as gym
import numpy as np
import pytest

from layeredrl.collectors import Collector
from layeredrl.collectors.remote import RayRuntime, RayWorkers, RemoteExperience
from layeredrl.errors import ConfigurationError, SpaceError, WorkerError
from layeredrl.hierarchies import Hierarchy
from layeredrl.learners import SACConfig
from layeredrl.levels import Exploration, LearningSchedule, PolicyLevel
from tests.collectors.remote.local_workers import LocalWorkers
from tests.same import assert_same

pytestmark = [
    pytest.mark.slow,
    # Ray's own, of what it will do one day.
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
pytest.importorskip("ray")

LEVEL = PolicyLevel(
    learner=SACConfig(hidden_sizes=(8,)),
    exploration=Exploration(warm_up_env_steps=30),
    learning=LearningSchedule(30, 16, 0.25, batch_size=8),
)


@pytest.fixture(scope="module")
def runtime():
    started = RayRuntime(n_cpus=2)
    yield started
    started.close()


def makers():
    """Functions that Ray sends as they are: workers need not find this module."""

    def make_env(n):
        return gym.make_vec(
            "Pendulum-v1", n, vectorization_mode="sync", max_episode_steps=20
        )

    def missing_env(n):
        raise SpaceError("there is no such place")

    def deadly_env(n):
        os.kill(os.getpid(), signal.SIGKILL)

    return make_env, missing_env, deadly_env


make_env, missing_env, deadly_env = makers()


class Run:
    def __init__(self, make_workers):
        self.hierarchy = Hierarchy([LEVEL], make_env(4), seed=0)
        self.workers = make_workers(self.hierarchy)
        self.experience = RemoteExperience(self.hierarchy, self.workers, n_steps=10)
        self.collector = Collector(self.hierarchy, self.experience)
        self.collector.reset(seed=0)

    def until(self, n_env_steps):
        left = n_env_steps - self.collector.n_env_steps
        self.collector.collect(left, show_progress=False)
        return self.hierarchy.levels[0].buffer_state()


@contextmanager
def ray_run(runtime, make=make_env, n_workers=2):
    run = Run(lambda hierarchy: RayWorkers(hierarchy, make, n_workers, runtime))
    yield run
    run.workers.end()


def test_ray_changes_no_result_and_a_killed_worker_is_replaced(runtime):
    with ray_run(runtime) as run:
        before = run.until(120)
        local = Run(lambda hierarchy: LocalWorkers(hierarchy, make_env, (2, 2)))
        assert_same(before, local.until(120))

        runtime.ray.kill(run.workers.actors[1])
        after = run.until(300)
        assert run.experience.n_replaced == 1
        assert run.collector.n_env_steps >= 300
        # What had come back is still there, from both workers.
        for ring, n in enumerate(before["n_added"]):
            at = ring * (before["max_size"] // 4)
            for key in ("obs", "act", "rew"):
                kept = after["transitions"][key][at : at + n]
                assert np.array_equal(kept, before["transitions"][key][at : at + n])
        assert (after["n_added"] > before["n_added"]).all()


def test_what_is_raised_in_a_worker_is_raised_here(runtime):
    with ray_run(runtime, missing_env, 1) as run:
        with pytest.raises(SpaceError, match="no such place"):
            run.until(4)


def test_workers_that_die_again_and_again_are_given_up(runtime, monkeypatch):
    module = "layeredrl.collectors.remote.ray_workers._MAX_LOSSES"
    monkeypatch.setattr(module, 1)
    with ray_run(runtime, deadly_env, 1) as run:
        with pytest.raises(WorkerError, match="1 times"):
            run.until(4)


def test_more_workers_than_processors_or_instances_are_refused(runtime):
    with pytest.raises(ConfigurationError, match="5 workers for 4 instances"):
        RayWorkers(Hierarchy([LEVEL], make_env(4)), make_env, 5, runtime)
    with pytest.raises(ConfigurationError, match="64 processors"):
        RayRuntime(n_cpus=64)
    assert runtime.ray.is_initialized()
