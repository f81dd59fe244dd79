"""Windows that are learned from as a whole, against the story that the buffer tells."""

import numpy as np
import pytest
import torch
from tianshou.data import Batch

from layeredrl.errors import ConfigurationError
from layeredrl.predictors.sequence_window import WHOLE_WINDOWS, sample_windows
from tests.toys import BUFFER_KINDS, Filler, make_buffer

CPU = torch.device("cpu")
ROWS, N_STEPS, MAX_SEQ_LEN = 200, 5, 6
RING, EPISODE, TIME = range(3)  # what the first columns of observations tell


def sample(buffer, n_steps=N_STEPS, max_seq_len=MAX_SEQ_LEN, rows=ROWS):
    return sample_windows(
        buffer, rows, n_steps, torch.Tensor.float, CPU, max_seq_len, WHOLE_WINDOWS
    )


def unevenly_filled(kind):
    buffer = make_buffer(kind, 60, 1 if kind == "plain" else 4)
    return Filler(buffer, 0).add_unevenly(80)


@pytest.mark.parametrize("kind", BUFFER_KINDS)
def test_a_window_is_the_stretch(kind):
    buffer = unevenly_filled(kind)
    indices, valid, window = sample(buffer)
    assert indices.shape == (N_STEPS, ROWS) and window.obs.shape[1] <= MAX_SEQ_LEN
    np.testing.assert_array_equal(window.row, np.arange(ROWS))
    assert not window.first.any()
    np.testing.assert_array_equal(window.mask.sum(1), valid + 1)
    for row, (n, obs) in enumerate(zip(valid, window.obs.numpy(), strict=True)):
        path = indices[:n, row]
        np.testing.assert_array_equal(obs[:n], buffer.obs[path])
        np.testing.assert_array_equal(obs[n], buffer.obs_next[path[-1]])
        np.testing.assert_array_equal(
            window.prev_actions[row, 1 : n + 1], buffer.act[path]
        )
        assert (indices[n:, row] == path[-1]).all()
        assert len(np.unique(obs[: n + 1, [RING, EPISODE]], axis=0)) == 1
        np.testing.assert_array_equal(np.diff(obs[: n + 1, TIME]), 1)


def one_long_episode(length):
    buffer = make_buffer("ours", 100, 1)
    for time in range(length):
        obs = np.array([[0.0, 0.0, time]], np.float32)
        buffer.add(
            Batch(
                obs=obs,
                act=np.full((1, 1), time, np.float32),
                rew=np.zeros(1),
                terminated=np.array([time == length - 1]),
                truncated=np.zeros(1, bool),
                obs_next=obs + 1,
                info=Batch(time_idx=np.array([time])),
            ),
            buffer_ids=np.zeros(1, int),
        )
    return buffer


def test_windows_are_as_long_as_they_can_be_and_lie_anywhere():
    indices, valid, window = sample(one_long_episode(20), rows=20_000)
    assert (valid == N_STEPS).all()
    times = window.time_idxs[:, 0]
    starts = np.bincount(times, minlength=16) / len(times)
    # Where no end is near, each start is alike; next to the ends they are piled up.
    inner = starts[1:15] * 20
    assert np.abs(inner - 1).max() < 0.15 and len(starts) == 16
    assert starts[[0, 15]] * 20 == pytest.approx([3, 3], abs=0.3)
    seen = np.bincount(indices.ravel(), minlength=20)[:20] / len(times)
    assert seen.min() > 0.4 * seen.max()  # no step of an episode is rare


def test_an_episode_that_fits_is_shown_as_a_whole():
    _, valid, window = sample(one_long_episode(4))
    assert (valid == 4).all() and window.mask.all()
    assert (window.time_idxs == torch.arange(5)).all()
    assert not window.prev_actions[:, 0].any()


def test_windows_that_do_not_fit_are_refused():
    with pytest.raises(ConfigurationError, match="max_seq_len"):
        sample(one_long_episode(4), n_steps=6)
