import dataclasses

import numpy as np
import pytest

from layeredrl.diagnostics import reward_errors
from layeredrl.errors import ConfigurationError
from tests.diagnostics.worlds import STEP, noisy_recording
from tests.toys import point_mass_predictor


def paid(recording, slope=1.0):
    """A decision is paid for the first feature of where it was taken."""
    return dataclasses.replace(recording, reward=slope * recording.state[:, 0])


def predictor(step=STEP):
    return point_mass_predictor(lambda s, c, a: s[..., 0], step=step)


def test_a_right_model_of_a_sure_world_knows_all_rewards():
    rewards = reward_errors(paid(noisy_recording(std=0.0)), predictor())
    valid = rewards.windows.is_valid
    assert rewards.predicted.shape == (800, 3)
    assert np.allclose(rewards.predicted[valid], rewards.received[valid], atol=1e-5)
    assert np.isnan(rewards.predicted[~valid]).all()
    assert np.allclose(rewards.error, 0.0, atol=1e-5)
    assert np.allclose(rewards.explained, 1.0, atol=1e-5)


def test_the_noise_of_the_world_adds_up_over_the_horizon():
    recording = paid(noisy_recording(2000, std=0.2))
    rewards = reward_errors(recording, predictor())
    # The first reward is known, the others have the noise of one and two decisions.
    assert np.allclose(rewards.error, 0.2 * np.sqrt([0, 1, 2]), atol=0.01)
    expected = 1 - np.square(rewards.error) / np.nanvar(rewards.received, 0)
    assert np.allclose(rewards.explained, expected)


def test_a_wrong_scale_explains_less():
    recording = paid(noisy_recording(std=0.0), slope=2.0)
    assert reward_errors(recording, predictor()).explained[0] < 0.8


def test_rewards_that_are_all_the_same_leave_nothing_to_explain():
    recording = dataclasses.replace(noisy_recording(), reward=np.ones(800, np.float32))
    assert np.isnan(reward_errors(recording, predictor(), horizon=2).explained).all()


def test_what_is_missing_is_named():
    with pytest.raises(ConfigurationError, match="no rewards were recorded"):
        reward_errors(noisy_recording(), predictor())
    with pytest.raises(ConfigurationError, match="rew_func"):
        reward_errors(paid(noisy_recording()), point_mass_predictor(None))
