import dataclasses

import numpy as np
import pytest

from layeredrl.errors import ConfigurationError, ShapeError
from tests.diagnostics.worlds import noisy_recording


def test_an_episode_can_be_taken_out():
    recording = noisy_recording(n_episodes=3, length=4)
    assert len(recording) == 12 and recording.n_episodes == 3
    one = recording.of_episode(1)
    assert len(one) == 4 and one.n_episodes == 1
    assert (one.episode == 0).all()
    assert np.array_equal(one.reached, recording.reached[4:8])


def test_an_episode_has_to_be_there():
    with pytest.raises(ConfigurationError, match="no episode 3 among 3"):
        noisy_recording(n_episodes=3).of_episode(3)


def test_arrays_have_one_length():
    recording = noisy_recording(n_episodes=2)
    with pytest.raises(ShapeError, match="'action': 7"):
        dataclasses.replace(recording, action=recording.action[1:])


def test_decisions_that_are_kept_count_as_one():
    recording = noisy_recording(n_episodes=2, length=5, horizon=4)
    held = recording.held(2)
    assert held.episode.tolist() == [0, 0, 0, 1, 1, 1]
    assert held.time.tolist() == [0, 1, 2] * 2
    assert np.array_equal(held.state, recording.state[[0, 2, 4, 5, 7, 9]])
    assert np.array_equal(held.reached, recording.reached[[1, 3, 4, 6, 8, 9]])
    assert held.n_env_steps.tolist() == [2, 2, 1] * 2
    assert held.is_cut.tolist() == [False, False, True] * 2
    assert held.horizon == 2
    assert np.array_equal(recording.held(1).reached, recording.reached)
    with pytest.raises(ConfigurationError, match="got 0"):
        recording.held(0)


def test_positions_are_found_in_the_latent_state():
    recording = noisy_recording()
    assert recording.position_columns() is None
    swapped = recording.state[:, ::-1]
    known = dataclasses.replace(recording, achieved_goal=swapped, desired_goal=swapped)
    assert known.position_columns() == (1, 0)
    other = dataclasses.replace(known, achieved_goal=swapped + [[0.0, 0.1]])
    assert other.position_columns() is None
