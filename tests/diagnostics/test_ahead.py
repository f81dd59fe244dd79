import dataclasses

import numpy as np
import pytest

from layeredrl.diagnostics import (
    CalibrationConfig,
    calibrate,
    errors_in_std,
    numbers_ahead,
    outcome_errors,
    reward_errors,
)
from tests.diagnostics.worlds import STEP, noisy_recording, predictor
from tests.toys import point_mass_predictor


def numbers(recording, std, horizon=3, rewards=None):
    model = predictor(std)
    calibration = calibrate(recording, model, 0, CalibrationConfig(horizon))
    errors = outcome_errors(recording, model, horizon)
    return numbers_ahead(recording, errors, calibration, rewards)


def test_a_right_model_has_errors_as_large_as_it_thinks():
    found = numbers(noisy_recording(2000), 0.2)
    assert found["ahead"].tolist() == [1, 2, 3]
    assert found["windows"].tolist() == [8000, 6000, 4000]
    assert np.allclose(found["error_in_std"], 1.0, atol=0.07)
    assert np.allclose(found["coverage_90"], 0.9, atol=0.03)
    # The mean length of a normal vector in the plane is sqrt(pi / 2) spreads.
    assert found["error"][0] == pytest.approx(0.2 * np.sqrt(np.pi / 2), rel=0.03)
    assert found["pit_distance"].max() < 0.05
    assert (found["still"] > found["error"]).all()


def test_a_model_that_is_too_sure_is_off_by_many_spreads():
    found = numbers(noisy_recording(), 0.05)
    assert found["error_in_std"][0] == pytest.approx(4.0, rel=0.1)
    assert found["coverage_90"][0] < 0.5 and found["pit_distance"][0] > 0.2


def test_a_model_that_leaves_nothing_to_chance_has_no_spread():
    recording = noisy_recording(20)
    model = point_mass_predictor(None, step=STEP)
    calibration = calibrate(recording, model, 0, CalibrationConfig(2))
    assert np.isnan(errors_in_std(calibration._replace(std=0 * calibration.std))).all()


def test_places_and_rewards_have_numbers_where_there_are_some():
    plain = numbers(noisy_recording(20), 0.2)
    assert not {"position_error", "reward_error"} & plain.keys()
    recording = noisy_recording(20)
    goals = np.zeros((len(recording), 1), np.float32)
    recording = dataclasses.replace(
        recording,
        achieved_goal=recording.state[:, 1:],
        desired_goal=goals,
        reward=recording.state[:, 0],
    )
    paying = point_mass_predictor(lambda s, c, a: s[..., 0], step=STEP)
    rewards = reward_errors(recording, paying)
    found = numbers(recording, 0.2, rewards=rewards)
    assert (found["position_error"] < found["error"]).all()
    assert np.array_equal(found["reward_error"], rewards.error)


def test_steps_of_which_nothing_is_known_are_left_out():
    found = numbers(noisy_recording(20, length=4), 0.2, horizon=7)
    assert found["ahead"].tolist() == [1, 2, 3, 4]
    assert {len(x) for x in found.values()} == {4}
