import numpy as np
import pytest

from experiments.running.environments import make_vector_env
from layeredrl.collectors import Collector, RunCheckpoints
from layeredrl.collectors.remote import RemoteExperience
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
from layeredrl.learners import PPOConfig, SACConfig
from layeredrl.levels import Exploration, LearningSchedule, PolicyLevel
from tests.collectors.remote.local_workers import LocalWorkers
from tests.same import assert_same, is_same

SAC = PolicyLevel(
    learner=SACConfig(hidden_sizes=(8,)),
    exploration=Exploration(warm_up_env_steps=30),
    learning=LearningSchedule(30, 16, 0.25, batch_size=8),
)
PPO = PolicyLevel(
    learner=PPOConfig(hidden_sizes=(8,)),
    learning=LearningSchedule(0, 50, batch_size=8),
)


def make_env(n):
    return make_vector_env("Pendulum-v1", n, {"max_episode_steps": 20})


class Run:
    def __init__(self, level=SAC, sizes=(3, 1), seed=0, n_steps=5, folder=None):
        env = make_env(sum(sizes))
        self.hierarchy = Hierarchy([level], env, seed=0)
        self.workers = LocalWorkers(self.hierarchy, make_env, sizes)
        self.experience = RemoteExperience(self.hierarchy, self.workers, n_steps)
        checkpoints = None if folder is None else RunCheckpoints(folder)
        self.collector = Collector(
            self.hierarchy, self.experience, checkpoints=checkpoints
        )
        self.collector.reset(seed)

    def until(self, n_env_steps):
        left = n_env_steps - self.collector.n_env_steps
        self.summary = self.collector.collect(left, show_progress=False)
        return self

    @property
    def level(self):
        return self.hierarchy.levels[0]

    def learned(self):
        return {
            "acting": self.hierarchy.acting_state(),
            "buffer": self.level.buffer_state(),
            "summary": self.summary,
        }


def test_one_seed_gives_one_result_and_another_seed_another():
    first, again, other = (Run(seed=seed).until(200).learned() for seed in (0, 0, 1))
    assert_same(first, again)
    assert not is_same(first["buffer"]["transitions"], other["buffer"]["transitions"])


def test_updates_follow_the_schedule_within_rounds():
    run = Run(n_steps=20)
    run.until(160)
    # At 32, 48, ..., 160 environment steps, though rounds are of nearly 80.
    assert run.level.n_updates == 40
    assert run.level.n_env_steps == run.hierarchy.n_env_steps == 160
    assert run.level.learner.n_decisions == 160
    assert run.workers.n_steps == [20, 20, 20]


def test_workers_do_not_do_the_same():
    act = Run(sizes=(1, 1)).until(20).level.buffer_state()["transitions"]["act"]
    half = len(act) // 2
    assert not np.array_equal(act[:10], act[half : half + 10])


def test_workers_act_by_the_weights_of_the_round():
    run, sent = Run(n_steps=4).until(128), []
    collect = run.workers.collect
    run.workers.collect = lambda state, n: sent.append(state) or collect(state, n)
    run.until(200)
    policies = [state["levels"][0]["learner"]["policy"] for state in sent]
    assert len(policies) > 2 and not is_same(*policies[-2:])
    for worker in run.workers._workers:
        state = worker._hierarchy.acting_state()
        assert_same(state["levels"][0]["learner"]["policy"], policies[-1])


def test_on_policy_levels_learn_from_their_own_policy_only():
    run = Run(level=PPO, n_steps=40, sizes=(2, 2))
    run.until(200)
    # 50 steps are due after 13 steps of 4 instances: rounds end just there.
    assert run.workers.n_steps[0] == 13
    assert run.level.n_updates >= 3
    buffer = run.level.buffer
    fresh = int((buffer.n_added - buffer.n_consumed).sum())
    assert fresh + 4 * len(run.experience._round) <= 52


def test_a_lost_worker_breaks_its_own_episodes_off_and_nothing_else():
    run = Run(sizes=(2, 1), n_steps=5)
    run.workers.lost_in = {2: [0]}
    run.until(30)
    before = run.level.buffer.n_added.copy()
    run.until(90)
    assert run.experience.n_replaced == 1
    buffer = run.level.buffer
    assert (buffer.n_added > before).all()
    first, size = buffer._offset, buffer.maxsize // 3
    ends = [np.flatnonzero(buffer.done[k : k + size]) for k in first]
    # Ten steps were taken before; without a loss an episode ends after 20.
    assert ends[0][0] == ends[1][0] == 9 and ends[2][0] == 19
    assert not buffer.terminated[: 3 * size].any()


def test_episodes_of_a_lost_worker_are_not_counted():
    run = Run(sizes=(2, 1), n_steps=5)
    run.workers.lost_in = {2: [0]}
    run.until(66)
    lengths = [episode.length for episode in run.collector._recent]
    assert lengths == [20] * len(lengths) and len(lengths) == 1


def test_a_restored_run_goes_on_with_new_episodes(tmp_path, caplog):
    run = Run(folder=tmp_path).until(120)
    run.collector.save_checkpoint()
    other = Run(folder=tmp_path)
    assert other.collector.restore_checkpoint()
    assert "new episodes" in caplog.text
    assert other.collector.n_env_steps == 120
    assert_same(
        other.level.buffer_state(),
        {**run.level.buffer_state(), "has_gap": np.ones(4, bool)},
    )
    other.until(240)
    assert other.level.n_updates == 60


@pytest.mark.parametrize("sizes, n_steps", [((3, 1), 0), ((2, 1), 5)])
def test_what_cannot_work_is_refused(sizes, n_steps):
    hierarchy = Hierarchy([SAC], make_env(4), seed=0)
    workers = LocalWorkers(hierarchy, make_env, sizes)
    with pytest.raises(ConfigurationError, match="n_steps|3"):
        RemoteExperience(hierarchy, workers, n_steps)
