"""Windows for encoders with memory, against the story that the buffer tells."""

import numpy as np
import pytest
import torch
from tianshou.data import Batch

from layeredrl.errors import ConfigurationError
from layeredrl.nets import Encoder
from layeredrl.predictors.trajectory_batch import sample_trajectory_batch
from tests.toys import (
    BUFFER_KINDS,
    Filler,
    make_buffer,
    random_buffer,
    reward_predictor,
)

CPU = torch.device("cpu")
ROWS, N_STEPS, MAX_SEQ_LEN = 64, 3, 8
RING, EPISODE, TIME = range(3)  # what the first columns of observations tell


def sample(buffer, n_steps=N_STEPS, max_seq_len=MAX_SEQ_LEN, rows=ROWS, per_window=1):
    return sample_trajectory_batch(
        buffer, rows, n_steps, torch.Tensor.float, CPU, max_seq_len, per_window
    )


def unevenly_filled(kind):
    buffer = make_buffer(kind, 60, 1 if kind == "plain" else 4)
    return Filler(buffer, 0).add_unevenly(80)


@pytest.fixture(params=(1, 4))
def per_window(request):
    return request.param


@pytest.fixture(params=BUFFER_KINDS)
def batch(request, per_window):
    return sample(unevenly_filled(request.param), per_window=per_window)


def test_a_window_is_one_stretch_of_one_episode(batch):
    obs, mask = batch.window.obs.numpy(), batch.window.mask.numpy()
    assert obs.shape[1] == mask.shape[1] <= MAX_SEQ_LEN
    for row, valid in zip(obs, mask, strict=True):
        n = int(valid.sum())
        assert valid[:n].all() and n >= 2
        assert len(np.unique(row[:n, [RING, EPISODE]], axis=0)) == 1
        np.testing.assert_array_equal(np.diff(row[:n, TIME]), 1)


def test_the_stretch_lies_at_its_place(batch):
    np.testing.assert_array_equal(
        batch.window.stretch_of_observations(N_STEPS + 1), batch.obs
    )
    ends = batch.window.first + batch.traj_len + 1
    lengths = batch.window.mask.sum(1)
    assert (ends <= lengths[batch.window.row]).all()
    for row, length in enumerate(lengths):
        assert ends[batch.window.row == row].max() == length


def test_stretches_end_with_their_episode_their_window_or_after_all_steps(batch):
    lengths = batch.window.mask.sum(1)[batch.window.row]
    short = batch.traj_len < N_STEPS
    assert short.any()
    assert (batch.window.first + batch.traj_len + 1 == lengths)[short].all()


def test_stretches_that_share_a_window_start_all_over_it():
    """Where episodes fit as a whole, every transition is drawn equally often."""
    buffer = random_buffer("ours", 14)
    batch = sample(buffer, max_seq_len=40, rows=8000, per_window=8)
    assert len(batch.window.obs) == 1000
    drawn = np.bincount(batch.indices[0], minlength=60)[: buffer.maxsize]
    stored = np.zeros(buffer.maxsize, bool)
    stored[buffer.sample_indices(0)] = True
    assert (drawn[~stored] == 0).all()
    np.testing.assert_allclose(drawn[stored] / 8000, 1 / stored.sum(), rtol=0.4)


def test_the_last_window_may_serve_fewer_stretches():
    batch = sample(random_buffer("ours", 14), rows=9, per_window=4)
    assert batch.window.row.tolist() == [0] * 4 + [1] * 4 + [2]


def test_windows_of_long_episodes_leave_room_for_several_stretches():
    buffer = Filler(
        make_buffer("ours", 120, 4), 0, p_terminated=0.0, p_truncated=0.0
    ).add(30)
    batch = sample(buffer, 2, 13, per_window=16)
    assert len(torch.unique(batch.window.first)) > 3
    deep = batch.obs[:, 0, TIME] >= 6
    assert (batch.window.first[deep] >= 6).all()


def test_windows_are_cut_only_where_they_are_full(batch):
    full = batch.window.mask.sum(1) == MAX_SEQ_LEN
    assert full.any() and (~full).any()


def test_windows_reach_back_to_the_start_or_as_far_as_they_can():
    """Also where an episode's end leaves a stretch short, and so more room before it."""
    batch = sample(random_buffer("ours", 14))  # nothing was overwritten
    elapsed = batch.obs[:, 0, TIME].long()
    room = MAX_SEQ_LEN - 1 - batch.traj_len
    assert torch.equal(batch.window.first, torch.minimum(elapsed, room))
    assert (elapsed > room).any() and (
        batch.window.first > MAX_SEQ_LEN - 1 - N_STEPS
    ).any()


def test_windows_are_no_longer_than_the_longest(batch):
    assert batch.window.obs.shape[1] == int(batch.window.mask.sum(1).max())
    assert not sample(random_buffer(), rows=3).window.mask.all()


def test_a_window_with_room_left_begins_an_episode():
    window = sample(random_buffer("ours", 14)).window
    has_room = window.mask.sum(1) < MAX_SEQ_LEN
    assert has_room.any()
    assert (window.obs[has_room, 0, TIME] == 0).all()


def previous_steps(buffer):
    """What each observation was preceded by, by its numbers."""
    told = {}
    for ring in getattr(buffer, "buffers", [buffer]):
        for i in range(len(ring)):
            key = tuple(ring.obs_next[i][: TIME + 1].astype(int))
            told[key] = (ring.act[i], ring.rew[i])
    return told


def test_previous_actions_and_rewards_are_those_before(per_window):
    buffer = unevenly_filled("ours")
    told = previous_steps(buffer)
    window = sample(buffer, per_window=per_window).window
    n_at_start = 0
    for row in range(len(window.obs)):
        for step in range(int(window.mask[row].sum())):
            key = tuple(window.obs[row, step, : TIME + 1].int().tolist())
            action, reward = told.get(key, (np.zeros(2), 0.0))
            np.testing.assert_allclose(window.prev_actions[row, step], action)
            np.testing.assert_allclose(
                window.prev_rewards[row, step], reward, rtol=1e-6
            )
            n_at_start += key not in told
    assert n_at_start > 0


def test_time_is_what_was_stored():
    buffer = unevenly_filled("ours")
    stored = buffer.obs[:, TIME].astype(int)
    buffer.set_batch(Batch({**buffer._meta, "info": Batch(time_idx=stored)}))
    window = sample(buffer).window
    mask = window.mask
    torch.testing.assert_close(
        window.time_idxs[mask], window.obs[..., TIME][mask].long()
    )
    assert (window.time_idxs[:, 0] > 0).any()


def test_time_counts_from_the_window_without():
    window = sample(random_buffer()).window
    assert window.time_idxs.tolist() == [list(range(window.mask.shape[1]))] * ROWS


@pytest.mark.parametrize("max_seq_len", [4, 5])
def test_windows_may_be_tight(max_seq_len):
    batch = sample(random_buffer(), 3, max_seq_len)
    assert batch.window.obs.shape[1] == max_seq_len
    assert int(batch.window.first[batch.traj_len == 3].max()) == max_seq_len - 4


def test_stretches_that_do_not_fit_are_refused():
    with pytest.raises(ConfigurationError, match="max_seq_len of 3"):
        sample(random_buffer(), 3, 3)
    with pytest.raises(ConfigurationError, match="5 steps"):
        reward_predictor(5, encoder=Clock(5), k_steps=3, n_steps=2)


class Clock(Encoder):
    """Counts the observations that it has seen, and adds up the times of all of them."""

    def __init__(self, max_seq_len):
        super().__init__()
        self.latent_state_dim, self.context_dim = 4, 1
        self.max_seq_len = max_seq_len

    def forward(self, obs):
        raise AssertionError("single observations tell nothing of the past")

    def sequence(self, obs, prev_actions, prev_rewards, time_idxs, mask):
        seen = mask.float().cumsum(1)
        state = torch.stack(
            [obs[..., TIME], seen, prev_rewards.cumsum(1), obs[..., EPISODE]], -1
        )
        return state, seen.unsqueeze(-1)


@pytest.fixture
def predictor():
    return reward_predictor(5, encoder=Clock(8), k_steps=2, n_steps=1)


def test_targets_are_made_of_latents_that_know_the_past(predictor):
    batch = predictor.compute_targets(random_buffer("ours", 14), ROWS, 2, 1)
    room = 7 - batch.traj_len[:, None]  # before the stretch
    seen = torch.minimum(batch.obs[..., TIME] + 1, room + torch.arange(1, 4))
    valid = batch.validity_mask.bool()
    torch.testing.assert_close(batch.state[..., 1][valid], seen[valid])
    torch.testing.assert_close(batch.next_state[..., 1][valid], seen[valid] + 1)
    torch.testing.assert_close(batch.contexts[:, 0], seen[:, 0])


def test_model_batches_know_the_past(predictor):
    batch = predictor.sample_model_batch(random_buffer("ours", 14), ROWS)
    seen = (batch.obs[:, TIME] + 1).clamp(max=7)
    torch.testing.assert_close(batch.state[:, 1], seen)
    torch.testing.assert_close(batch.context[:, 0], seen)
    torch.testing.assert_close(batch.next_state[:, 1], seen + 1)
    torch.testing.assert_close(batch.next_context[:, 0], seen + 1)
    torch.testing.assert_close(batch.state[:, 0], batch.obs[:, TIME])
    torch.testing.assert_close(batch.obs_next[:, TIME], batch.obs[:, TIME] + 1)


def test_the_model_learns_from_all_valid_steps_of_the_stretches(predictor, monkeypatch):
    """Its transitions are drawn evenly, and none lies beyond an episode's end."""
    buffer = random_buffer("ours", 14)
    seen = []
    loss = predictor.loss

    def spy(batch, model_batch):
        seen.append((batch, model_batch))
        return loss(batch, model_batch)

    monkeypatch.setattr(predictor, "loss", spy)
    predictor.learn(buffer, 2, 8, 2000, 0)
    for batch, model_batch in seen:
        valid = batch.validity_mask.bool()
        stretch = batch.obs[valid][:, : TIME + 1]
        rows, counts = np.unique(
            model_batch.obs[:, : TIME + 1].numpy(), axis=0, return_counts=True
        )
        expected, weights = np.unique(stretch.numpy(), axis=0, return_counts=True)
        np.testing.assert_array_equal(rows, expected)
        np.testing.assert_allclose(counts / 2000, weights / weights.sum(), atol=0.04)
        assert not model_batch.state.requires_grad
