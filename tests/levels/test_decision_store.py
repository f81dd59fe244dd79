import numpy as np
import pytest

from layeredrl.errors import CheckpointError
from layeredrl.levels.decision_store import DecisionStore, decision_rows
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.partial_trajectories import draw_partial_trajectories
from tests.levels.building import transition

N = 2
BOTH = np.arange(N)


def make(size=20, n=N):
    return DecisionStore(TransitionBuffer(size, n, np.random.SeedSequence(0)))


def add(store, instances, number, **fields):
    """Store a transition whose observation and reward are a number."""
    n = len(instances)
    obs = np.full((n, 3), number, np.float32)
    one = transition(instances, obs=obs, next_obs=obs + 1, **fields)
    rows = decision_rows(
        one, np.full(n, float(number)), np.zeros(n, bool), np.full(n, number)
    )
    store.add(rows, instances)


def stretches(store, n_steps=10):
    """All stretches of episodes that sampling can find, as tuples of rewards."""
    positions, valid = draw_partial_trajectories(store.buffer, 200, n_steps)
    rewards = store.buffer.rew[positions]
    return {tuple(rewards[: valid[i], i].astype(int)) for i in range(200)}


def test_stores_what_it_is_told():
    store = make()
    one = transition(
        [1, 0],
        obs=[[1, 2, 3], [4, 5, 6]],
        action=np.array([[0.1, 0.2], [0.3, 0.4]], np.float32),
        next_obs=[[7, 8, 9], [0, 1, 2]],
        terminated=[True, False],
        truncated=[False, True],
        n_env_steps=[3, 2],
    )
    was_random = np.array([True, False])
    rows = decision_rows(
        one, np.array([0.5, -0.5]), was_random, np.array([4, 0]), late=[1, 2]
    )
    store.add(rows, one.instances)
    rows = store.buffer.last_index[[1, 0]]
    stored = store.buffer[rows]
    np.testing.assert_array_equal(stored.obs, one.obs)
    np.testing.assert_array_equal(stored.obs_next, one.next_obs)
    np.testing.assert_array_equal(stored.act, one.action)
    np.testing.assert_array_equal(stored.rew, [0.5, -0.5])
    np.testing.assert_array_equal(stored.terminated, [True, False])
    np.testing.assert_array_equal(stored.truncated, [False, True])
    np.testing.assert_array_equal(stored.info.n_env_steps, [3, 2])
    np.testing.assert_array_equal(stored.info.random_mode, [True, False])
    np.testing.assert_array_equal(stored.info.time_idx, [4, 0])
    np.testing.assert_array_equal(stored.info.late, [1, 2])


def test_neighbours_in_time_are_sampled_together():
    store = make()
    for number in (1, 2, 3):
        add(store, BOTH, number)
    assert stretches(store) == {(1, 2, 3), (2, 3), (3,)}


def test_nothing_is_sampled_across_a_gap():
    store = make()
    for number in (1, 2):
        add(store, BOTH, number)
    store.skip(np.array([0]))
    for number in (5, 6):
        add(store, np.array([0]), number)
    assert stretches(store) == {(1, 2), (2,), (5, 6), (6,)}
    end = store.buffer.obs_next[1]  # of the transition before the gap
    assert store.buffer.truncated.sum() == 1 and not store.buffer.terminated.any()
    np.testing.assert_array_equal(end, [3, 3, 3])


def test_a_gap_after_the_end_of_an_episode_changes_nothing():
    store = make()
    add(store, BOTH, 1, terminated=[True, True])
    store.skip(BOTH)
    add(store, BOTH, 2)
    assert not store.buffer.truncated.any()
    assert stretches(store) == {(1,), (2,)}


def test_a_gap_before_the_first_transition_is_none():
    store = make()
    store.skip(BOTH)
    for number in (1, 2):
        add(store, BOTH, number)
    assert stretches(store) == {(1, 2), (2,)}


def test_gaps_are_minded_when_the_ring_is_full():
    store = make(size=6)
    for number in range(1, 6):
        add(store, BOTH, number)
    store.skip(np.array([1]))
    add(store, BOTH, 6)
    # Each ring holds the last three: 4 5 6, in instance 1 with a gap before the 6.
    assert stretches(store) == {(4, 5, 6), (5, 6), (6,), (4, 5), (5,)}


def test_gaps_survive_a_file(tmp_path):
    store, other = make(), make()
    add(store, BOTH, 1)
    store.skip(np.array([1]))
    save_checkpoint(tmp_path / "store.pt", "store", store.buffer.state_dict())
    other.buffer.load_state_dict(load_checkpoint(tmp_path / "store.pt", "store"))
    add(other, BOTH, 2)
    assert stretches(other) == {(1, 2), (2,), (1,)}


@pytest.mark.parametrize("size, n", [(10, 2), (20, 4)])
def test_a_buffer_of_another_size_is_refused_and_nothing_changes(size, n):
    store, other = make(), make(size, n)
    add(store, BOTH, 1)
    store.skip(BOTH)
    with pytest.raises(CheckpointError, match="rings"):
        other.buffer.load_state_dict(store.buffer.state_dict())
    assert len(other.buffer) == 0 and not other.buffer.has_gap.any()
