import numpy as np
import pytest
import torch
from scipy import stats

from layeredrl.diagnostics import (
    coverage,
    mixture_pit,
    pit_histogram,
    sample_pit,
    uniform_distance,
)
from layeredrl.types import MixturePrediction


def test_mixtures_over_members_and_modes():
    prediction = MixturePrediction(
        mean=torch.tensor([[[[0.0], [10.0]], [[0.0], [-10.0]]]]),  # (B, M, N, Z)
        weights=torch.tensor([[[0.4, 0.6], [0.5, 0.5]]]),
        std=torch.ones(1, 2, 2, 1),
        term_prob=torch.zeros(1, 2),
    )
    # First member: 0.4 of the mass around 0, 0.6 above. Second: half below, half around.
    expected = 0.5 * (0.4 * stats.norm.cdf(1.0)) + 0.5 * (
        0.5 * stats.norm.cdf(1.0) + 0.5
    )
    assert mixture_pit(prediction, np.array([[1.0]])) == pytest.approx(expected)


def test_ranks_among_samples_by_hand():
    samples = np.array([[0.0, 1.0, 2.0]]).repeat(2000, 0)
    pit = sample_pit(samples, np.full(2000, 1.5), np.random.default_rng(0))
    assert ((pit >= 0.5) & (pit < 0.75)).all()  # the third of four gaps
    assert stats.kstest(pit, "uniform", (0.5, 0.25)).pvalue > 0.01
    tied = sample_pit(samples, np.full(2000, 1.0), np.random.default_rng(0))
    assert ((tied >= 0.25) & (tied < 0.75)).all()


@pytest.mark.parametrize("n_samples", [1, 20])
def test_ranks_of_one_more_draw_are_uniform_however_few_samples(n_samples):
    rng = np.random.default_rng(1)
    pit = sample_pit(rng.normal(size=(3000, n_samples)), rng.normal(size=3000), rng)
    assert stats.kstest(pit, "uniform").pvalue > 0.01


def test_coverage_by_hand():
    pit = np.array([0.5, 0.3, 0.71, 0.96, np.nan])
    shares = coverage(pit, np.array([0.2, 0.5, 0.9, 0.95]))
    assert shares.tolist() == [0.25, 0.75, 0.75, 1.0]
    assert coverage(np.full((3, 2), np.nan), np.array([0.5])).shape == (1, 2)
    assert np.isnan(coverage(np.full(3, np.nan), np.array([0.5]))).all()


def test_histograms_are_densities():
    pit = np.array([[0.0, 0.05], [0.5, np.nan], [1.0, np.nan]])
    assert pit_histogram(pit, 4).tolist() == [2.0, 0.0, 1.0, 1.0]
    assert np.isnan(pit_histogram(np.full(2, np.nan))).all()


def test_the_distance_from_uniform():
    even = (np.arange(100) + 0.5) / 100
    assert uniform_distance(even) == pytest.approx(0.005)
    assert uniform_distance(np.full(5, 0.5)) == pytest.approx(0.5)
    assert np.isnan(uniform_distance(np.array([np.nan])))
