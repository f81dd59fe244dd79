import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from layeredrl.diagnostics import (
    CalibrationConfig,
    calibrate,
    mixture_pit,
    outcome_errors,
    sample_pit,
    summarize_diagnostics,
)
from layeredrl.diagnostics.calibration import imagine
from layeredrl.errors import ConfigurationError
from tests.diagnostics.worlds import noisy_recording, predictor, tensors
from tests.toys import ensemble

STD = 0.2
RECORDING = noisy_recording(n_episodes=600, length=3, std=STD)
CONFIG = CalibrationConfig(horizon=3, n_samples=60, max_windows=10_000)


def independent(calibration, h):
    """PIT values h decisions after the starts of episodes: nothing overlaps."""
    first = RECORDING.time[calibration.windows.start] == 0
    return calibration.pit[first, h - 1].ravel()


def test_a_calibrated_model_is_found_calibrated():
    found = calibrate(RECORDING, predictor(STD), 0, CONFIG)
    assert found.pit.shape == (1800, 3, 2)
    for h in (1, 2, 3):
        assert stats.kstest(independent(found, h), "uniform").pvalue > 0.01, h
    # Three standard errors of 1200 independent values, at the furthest step.
    tolerance = 3 * np.sqrt(0.25 / 1200)
    assert np.abs(found.coverage - found.levels[:, None]).max() < tolerance
    assert found.error.max() < tolerance
    spread = np.sqrt(np.nanmean(found.std**2, (0, 2)))
    assert np.allclose(spread, STD * np.sqrt([1, 2, 3]), rtol=0.05)
    assert np.allclose(np.sqrt(np.nanmean(found.distance**2, (0, 2))), spread, rtol=0.1)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_overconfidence_and_its_opposite_are_found(factor):
    found = calibrate(RECORDING, predictor(factor * STD), 0, CONFIG)
    for h in (1, 2, 3):
        assert stats.kstest(independent(found, h), "uniform").pvalue < 1e-6
    quantile = stats.norm.ppf(0.5 + found.levels / 2) * factor
    truth = 2 * stats.norm.cdf(quantile) - 1
    # Samples blur what is beyond the outermost of them.
    assert np.allclose(found.coverage, truth[:, None], atol=0.05)
    assert (found.error > 0.1).all()


def test_a_bias_is_found():
    found = calibrate(RECORDING, predictor(STD, step=0.0), 0, CONFIG)
    assert stats.kstest(independent(found, 3), "uniform").pvalue < 1e-6


def test_windows_that_end_early_are_left_out():
    found = calibrate(RECORDING, predictor(STD), 0, CONFIG)
    assert np.array_equal(np.isfinite(found.pit).all(-1), found.windows.is_valid)
    longer = dataclasses.replace(CONFIG, horizon=5, max_windows=50)
    beyond = calibrate(RECORDING, predictor(STD), 0, longer)
    assert len(beyond.pit) == 50
    assert np.isnan(beyond.coverage[:, 3:]).all() and np.isnan(beyond.error[3:]).all()


def test_the_seed_decides_and_the_predictor_is_left_alone():
    few = dataclasses.replace(CONFIG, max_windows=40)
    asked = predictor(STD)
    asked.generator = torch.Generator().manual_seed(3)
    before = asked.generator.get_state()
    found = [calibrate(RECORDING, asked, seed, few) for seed in (0, 0, 1)]
    assert np.array_equal(found[0].pit, found[1].pit, equal_nan=True)
    assert not np.array_equal(found[0].windows.start, found[2].windows.start)
    assert torch.equal(asked.generator.get_state(), before)


def test_blocks_do_not_matter(monkeypatch):
    few = dataclasses.replace(CONFIG, max_windows=40)
    whole = calibrate(RECORDING, predictor(STD), 0, few)
    module = "layeredrl.diagnostics.calibration._ROWS_PER_BLOCK"
    monkeypatch.setattr(module, 7 * CONFIG.n_samples)
    parts = calibrate(RECORDING, predictor(STD), 0, few)
    assert np.array_equal(whole.pit[:, 0], parts.pit[:, 0])  # nothing is drawn
    assert np.allclose(whole.std[:, 0], parts.std[:, 0], rtol=0.6)


def test_mixtures_of_members_are_the_same_drawn_or_not():
    model = ensemble(n_models=3, n_modes=2, sb_start_duration=0)
    state, context, action = tensors([[0.2, -0.1]], np.zeros((1, 0)), [[0.5, 0.5]])
    outcome = np.array([[0.4, 0.1]])
    with torch.no_grad():
        exact = mixture_pit(model.predict(state, context, action), outcome)
        generator = torch.Generator().manual_seed(0)
        drawn = imagine(model, state, context, action[:, None], 20_000, generator)
    assert drawn.shape == (1, 20_001, 1, 2)  # as many from each member
    ranked = sample_pit(drawn[:, :, 0], outcome, np.random.default_rng(0))
    assert np.allclose(ranked, exact, atol=0.015)


def test_numbers_for_a_log():
    model = predictor(STD)
    found = calibrate(RECORDING, model, 0, CONFIG)
    numbers = summarize_diagnostics(outcome_errors(RECORDING, model), found)
    assert numbers["horizon"] == 3.0
    assert numbers["error_H"] > numbers["error_1"] > 0.0
    assert numbers["coverage_90_1"] == pytest.approx(0.9, abs=0.03)
    assert numbers["coverage_95_H"] == pytest.approx(0.95, abs=0.03)
    assert set(numbers) >= {"relative_error_1", "calibration_error_H", "coverage_50_1"}


@pytest.mark.parametrize(
    "wrong",
    [{"n_samples": 0}, {"max_windows": 0}, {"levels": (0.5, 1.0)}, {"levels": ()}],
)
def test_mistakes_are_named(wrong):
    with pytest.raises(ConfigurationError, match=str(next(iter(wrong)))):
        CalibrationConfig(**wrong)
