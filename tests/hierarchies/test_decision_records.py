import numpy as np
import pytest

from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies.decision_records import DecisionRecord
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint

NEUTRAL = np.array([0.5, 0.0], np.float32)


def make(gamma=0.5):
    return DecisionRecord(3, gamma, NEUTRAL)


def begin(record, instances, number):
    obs = np.full((len(instances), 2), number, np.float32)
    action = np.full((len(instances), 2), -number, np.float32)
    record.begin(obs, action, np.array(instances))


def add(record, rewards, stepped):
    record.add(np.array(rewards, float), np.array(stepped))


def test_everyone_awaits_a_decision_at_first_and_stands_still():
    record = make()
    assert record.needs_decision.all()
    np.testing.assert_array_equal(record.action, [NEUTRAL] * 3)


def test_discounts_rewards_and_counts_steps_of_each_instance_by_itself():
    record = make()
    begin(record, [0, 1, 2], 1.0)
    add(record, [4, 4, np.nan], [True, True, False])
    add(record, [4, np.nan, 2], [True, False, True])
    add(record, [4, 2, np.nan], [True, True, False])
    obs, action, reward, n_env_steps = record.finish(np.array([2, 0, 1]))
    np.testing.assert_array_equal(reward, [2, 4 + 2 + 1, 4 + 1])
    np.testing.assert_array_equal(n_env_steps, [1, 3, 2])
    np.testing.assert_array_equal(obs, np.ones((3, 2)))
    np.testing.assert_array_equal(action, -np.ones((3, 2)))


def test_a_new_decision_starts_from_nothing():
    record = make()
    begin(record, [0, 1], 1.0)
    add(record, [8, 8, 8], [True, True, False])
    record.finish(np.array([0]))
    begin(record, [0], 2.0)
    add(record, [1, 1, 1], [True, True, False])
    obs, _, reward, n_env_steps = record.finish(np.array([0, 1]))
    np.testing.assert_array_equal(reward, [1, 8.5])
    np.testing.assert_array_equal(n_env_steps, [1, 2])
    np.testing.assert_array_equal(obs[:, 0], [2, 1])


def test_who_awaits_a_decision():
    record = make()
    begin(record, [0, 1, 2], 1.0)
    assert not record.needs_decision.any()
    record.finish(np.array([1]))
    assert record.needs_decision.tolist() == [False, True, False]
    record.reset(np.array([2]))
    assert record.needs_decision.tolist() == [False, True, True]


def test_what_it_is_given_may_change_afterwards():
    record = make()
    obs, action = np.ones((3, 2), np.float32), np.ones((3, 2), np.float32)
    record.begin(obs, action, np.arange(3))
    obs[:], action[:] = 7, 7
    finished = record.finish(np.arange(3))
    assert (finished[0] == 1).all() and (finished[1] == 1).all()


def test_parts_of_observations_keep_their_types():
    record = make()
    obs = {
        "vector": np.ones((1, 2), np.float32),
        "eye": np.full((1, 4, 4), 9, np.uint8),
    }
    record.begin(obs, NEUTRAL[None], np.array([1]))
    finished = record.finish(np.array([1]))[0]
    assert list(finished) == ["vector", "eye"] and finished["eye"].dtype == np.uint8
    assert (finished["eye"] == 9).all()


def test_a_file_keeps_decisions_in_progress(tmp_path):
    record = make()
    begin(record, [0, 2], 3.0)
    add(record, [8, 0, 2], [True, False, True])
    record.finish(np.array([2]))
    save_checkpoint(tmp_path / "record.pt", "record", record.state_dict())
    other = make()
    other.load_state_dict(load_checkpoint(tmp_path / "record.pt", "record"))
    assert other.needs_decision.tolist() == [False, True, True]
    for one in (record, other):
        add(one, [2, 0, 0], [True, False, False])
    for one, two in zip(
        record.finish(np.array([0])), other.finish(np.array([0])), strict=True
    ):
        np.testing.assert_array_equal(one, two)


class TestPaths:
    def make(self):
        record = DecisionRecord(3, 0.5, NEUTRAL, path_shape=(3, 1))
        begin(record, [0, 1, 2], 1.0)
        return record

    def go(self, record, reached, stepped):
        add(record, [0, 0, 0], stepped)
        record.add_to_path(np.array(reached, np.float32)[:, None], np.array(stepped))

    def test_tell_where_each_step_of_a_decision_led(self):
        record = self.make()
        self.go(record, [1, 2, 9], [True, True, False])
        self.go(record, [3, 9, 4], [True, False, True])
        path = record.path(np.array([2, 0]))
        np.testing.assert_array_equal(
            path[..., 0], [[4, np.nan, np.nan], [1, 3, np.nan]]
        )

    def test_begin_anew_with_each_decision(self):
        record = self.make()
        self.go(record, [1, 2, 3], [True] * 3)
        record.finish(np.array([1]))
        begin(record, [1], 2.0)
        self.go(record, [9, 5, 9], [False, True, False])
        np.testing.assert_array_equal(record.path(np.array([1]))[0, :2, 0], [5, np.nan])

    def test_are_saved(self, tmp_path):
        record, other = self.make(), self.make()
        self.go(record, [1, 2, 3], [True] * 3)
        save_checkpoint(tmp_path / "x.pt", "record", {"record": record.state_dict()})
        other.load_state_dict(load_checkpoint(tmp_path / "x.pt", "record")["record"])
        self.go(other, [4, 5, 6], [True] * 3)
        np.testing.assert_array_equal(
            other.path(np.array([0]))[0, :, 0], [1, 4, np.nan]
        )

    def test_that_are_too_long_are_told(self):
        record = self.make()
        for _ in range(3):
            self.go(record, [0, 0, 0], [True] * 3)
        with pytest.raises(ConfigurationError, match="took 4 .* take 3 at most"):
            self.go(record, [0, 0, 0], [True] * 3)

    def test_cost_nothing_where_nobody_asks(self):
        assert make().path(np.arange(3)) is None
