"""What a policy level learns from, and when; with a toy learner."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.learners import PPOConfig
from layeredrl.levels import LearningSchedule
from layeredrl.predictors import Hindsight
from tests.levels.notebook import (
    ALL,
    GOALS,
    Notes,
    lived,
    policy_level,
    step,
    stored,
    stored_count,
)

# What is learned from


def test_stretches_end_where_control_went_back():
    far = replace(GOALS, radius=1e-3)
    running = lived(policy_level(Notes(n_steps=4), objective=far, n_decisions=3), 60)
    running.learn(20)
    lengths = set()
    for batch in running.learner.batches:
        goals = batch.obs[..., 3:]
        for row, length in enumerate(batch.traj_len.tolist()):
            lengths.add(length)
            assert (goals[row, : length + 1] == goals[row, 0]).all()
    assert lengths == {1, 2, 3}


def test_on_policy_learners_learn_from_each_decision_once():
    rarely = LearningSchedule(start_env_steps=0, interval_env_steps=10)
    running = policy_level(Notes(is_on_policy=True), learning=rarely)
    env_steps, learned = 0, []
    for round_ in range(6):
        lived(running, 7, seed=round_)
        env_steps += 7
        numbers = running.learn(env_steps)
        learned.append("n_updates" in numbers)
    assert learned == [False, True] * 3
    told = []
    for batch in running.learner.batches:
        told += batch.rew[batch.validity_mask.bool()].tolist()
    expected = [1000 * i + t + 1 for i in ALL for t in range(stored_count(running)[i])]
    assert sorted(told) == expected and len(told) == 84
    for batch in running.learner.batches:
        for row, length in enumerate(batch.traj_len.tolist()):
            over = batch.terminated[row, : length - 1]
            steps = batch.rew[row, :length].diff()
            assert not over.any() and (steps == 1).all()


def test_on_policy_stretches_end_where_control_went_back():
    far = replace(GOALS, radius=1e-3)
    running = policy_level(Notes(is_on_policy=True), objective=far, n_decisions=3)
    lived(running, 30).learn(1)
    (batch,) = running.learner.batches
    assert batch.traj_len.max() == 3
    for row, length in enumerate(batch.traj_len.tolist()):
        goals = batch.obs[row, : length + 1, 3:]
        assert (goals == goals[0]).all()


def test_on_policy_learning_waits_for_something_new():
    running = policy_level(Notes(is_on_policy=True))
    assert running.learn(5) == {}
    step(running)
    assert running.learn(10)["n_updates"] == 1.0
    assert running.learn(20) == {}  # decisions may take long, and then none is over
    step(running, instances=[1])
    assert running.learn(30)["n_updates"] == 2.0
    assert [len(batch.rew) for batch in running.learner.batches] == [3, 1]


def test_on_policy_learning_knows_what_is_new_after_loading():
    running, other, empty = (policy_level(Notes(is_on_policy=True)) for _ in range(3))
    lived(running, 10).learn(10)
    lived(running, 4)
    state = running.state_dict()
    for loaded in (other, empty):
        lived(loaded, 3, seed=9)  # met by another policy
        loaded.load_state_dict(state)
    other.load_buffer_state(running.buffer_state())
    for loaded, n_new in ((other, 8), (empty, 0)):
        assert ("n_updates" in loaded.learn(99)) == (n_new > 0)
        if n_new:
            assert loaded.learner.batches[-1].traj_len.sum() == n_new
        lived(loaded, 1, seed=3)
        loaded.learn(999)
        assert loaded.learner.batches[-1].traj_len.sum() == 2


def test_a_buffer_too_small_for_what_is_new_is_refused():
    running = lived(policy_level(Notes(is_on_policy=True), buffer_size=6), 20)
    with pytest.raises(ConfigurationError, match="fit into the buffer"):
        running.learn(20)


def test_numbers_to_log_are_means_over_the_updates_that_report_them():
    metrics = ({"loss": 1.0, "rare": 5.0}, {"loss": 2.0})
    running = lived(policy_level(Notes(metrics=metrics)), 2)
    numbers = running.learn(4)
    assert numbers == {"learner/loss": 1.5, "learner/rare": 5.0, "n_updates": 4.0}
    assert all(type(value) is float for value in numbers.values())


# Hindsight


@dataclass(frozen=True)
class Spied(Hindsight):
    """Notes what it is asked to relabel, and returns something else."""

    calls: list = field(default_factory=list)

    def relabelled(self, batch, buffer, gamma=1.0):
        self.calls.append((self.decision_reward, buffer, gamma))
        return batch._replace(rew=batch.rew + 500.0)


def paid(achieved, desired, info):
    return np.zeros(len(achieved))


def test_sampled_batches_are_relabelled():
    hindsight = Spied(paid, (0,), (1,))
    running = lived(policy_level(hindsight=hindsight), 10)
    running.learn(1)
    assert hindsight.calls == [("sum", running.buffer, 0.9)]  # the level stores sums
    assert (running.learner.batches[0].rew % 1000 >= 500).all()


def test_goals_that_were_reached_are_learned_about():
    objective = replace(GOALS, hindsight_ratio=1.0)
    running = lived(policy_level(objective=objective, n_decisions=3), 60)
    running.learn(1)
    (batch,) = running.learner.batches
    reached = {
        tuple(row) for i in ALL for row in stored(running, "obs_next", i)[:, [2, 0]]
    }
    goals = batch.obs[..., 3:]
    assert {tuple(goal) for goal in goals[:, 0].numpy()} <= reached
    near = (batch.obs[:, 1, [2, 0]] - goals[:, 1]).norm(dim=-1) <= 0.5
    expected = torch.where(near, 0.0, -1.0)
    torch.testing.assert_close(batch.rew[:, 0].float(), expected)
    assert near.any() and not near.all()


@pytest.mark.parametrize("is_on_policy, ratio", [(True, 1.0), (False, 0.0)])
def test_without_hindsight_goals_stay_as_they_were(is_on_policy, ratio):
    objective = replace(GOALS, hindsight_ratio=ratio, radius=1e-3)
    running = policy_level(Notes(is_on_policy=is_on_policy), objective=objective)
    lived(running, 20).learn(1)
    asked = {float(np.float32(0.01 * (i + 1))) for i in range(20)}
    goals = running.learner.batches[0].obs[:, 0, 3]
    assert {float(goal) for goal in goals} <= asked


def test_on_policy_learners_refuse_relabelling():
    with pytest.raises(ConfigurationError, match="on-policy.*relabelled"):
        policy_level(PPOConfig(), hindsight=Hindsight(paid, (0,), (1,)))
