import numpy as np
import pytest

from layeredrl.diagnostics import outcome_errors
from tests.diagnostics.worlds import STEP, noisy_recording, predictor


def test_true_dynamics_have_no_error():
    recording = noisy_recording(std=0.0)
    errors = outcome_errors(recording, predictor(0.1))
    valid = errors.windows.is_valid
    assert errors.distance.shape == (800, 3)  # as far as plans look
    assert np.allclose(errors.distance[valid], 0.0, atol=1e-5)
    assert np.isnan(errors.distance[~valid]).all()
    # Plans promised that nothing moves.
    assert np.allclose(errors.revised[valid], errors.still[valid], atol=1e-6)


def test_errors_of_a_biased_model_add_up():
    recording = noisy_recording(std=0.0)
    recording.action[:] = [1.0, 0.0]
    recording.reached[:] = recording.state + [STEP, 0.0]
    recording.state[:] = recording.time[:, None] * [STEP, 0.0]
    recording.reached[:] = recording.state + [STEP, 0.0]
    errors = outcome_errors(recording, predictor(0.1, step=0.8 * STEP), horizon=4)
    first = errors.windows.is_valid[:, 3]
    assert np.allclose(errors.distance[first], 0.2 * STEP * np.arange(1, 5), atol=1e-6)
    assert np.allclose(errors.still[first], STEP * np.arange(1, 5))
    # The feature that never changes is no part of relative errors.
    assert errors.unit[0] == pytest.approx(STEP) and np.isnan(errors.unit[1])
    assert np.allclose(errors.relative[first], 0.2 * np.arange(1, 5), atol=1e-5)


def test_predicting_no_change_has_a_relative_error_of_one():
    recording = noisy_recording(std=0.3)
    recording.state[:, 1] *= 100.0  # whatever the units
    recording.reached[:, 1] *= 100.0
    errors = outcome_errors(recording, predictor(0.1, step=0.0), horizon=1)
    assert np.sqrt((errors.relative**2).mean()) == pytest.approx(1.0, rel=1e-5)


def test_promises_end_with_the_plan():
    recording = noisy_recording(horizon=2)
    errors = outcome_errors(recording, predictor(0.1), horizon=4)
    assert np.isfinite(errors.revised[0, :2]).all()
    assert np.isnan(errors.revised[0, 2:]).all()
    assert np.isfinite(errors.distance[0]).all()


def test_states_that_never_change_leave_no_relative_error():
    recording = noisy_recording(n_episodes=2)
    recording.reached[:] = recording.state
    assert np.isnan(outcome_errors(recording, predictor(0.1)).relative).all()
