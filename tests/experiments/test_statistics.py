import numpy as np
import pytest
from scipy import stats

from experiments.reports.statistics import (
    common_curve,
    estimate,
    improvement,
    interval_of,
    iqm,
    profile,
    win_share,
)
from layeredrl.errors import ConfigurationError

SCORES = np.array([0.1, 0.9, 0.5, 0.7, 0.3, 0.8, 0.6, 0.2])


def test_iqm_is_the_mean_of_the_middle_half():
    assert iqm(SCORES) == pytest.approx((0.3 + 0.5 + 0.6 + 0.7) / 4)
    assert iqm(SCORES) == pytest.approx(stats.trim_mean(SCORES, 0.25))
    assert iqm(np.array([1.0, 2.0, 6.0])) == pytest.approx(3.0)  # nothing to cut off
    both = np.stack([SCORES, 2 * SCORES])
    np.testing.assert_allclose(iqm(both), [0.525, 1.05])


@pytest.mark.parametrize("aggregate", [iqm, np.median, np.mean])
def test_an_estimate_lies_in_its_interval_and_is_repeatable(aggregate):
    found = estimate(SCORES, aggregate)
    low, high = found.interval
    assert SCORES.min() < low < found.value < high < SCORES.max()
    assert estimate(SCORES, aggregate) == found


def test_the_interval_of_a_mean_is_about_that_of_a_normal_distribution():
    scores = np.random.default_rng(0).normal(size=200)
    low, high = estimate(scores, np.mean).interval
    half = 1.96 * scores.std() / np.sqrt(200)
    assert high - low == pytest.approx(2 * half, rel=0.06)


def test_of_one_seed_there_is_no_interval():
    assert estimate(np.array([0.4]), np.mean).interval is None
    assert improvement(np.array([0.4]), SCORES).interval is None
    assert profile(np.array([0.4]), np.array([0.1]))[1] is None


def test_where_all_seeds_agree_the_interval_is_the_point():
    assert estimate(np.full(3, 500.0), iqm).interval == (500.0, 500.0)
    assert improvement(np.ones(3), np.ones(2)).interval == (0.5, 0.5)


def test_improvement_is_the_share_of_pairs_won():
    x, y = np.array([1.0, 3.0, 3.0]), np.array([0.0, 2.0, 3.0])
    # 1 beats 0; 3 beats 0 and 2 and ties with 3, twice.
    assert improvement(x, y).value == pytest.approx((1 + 2 * 2.5) / 9)
    u = stats.mannwhitneyu(x, y).statistic
    assert improvement(x, y).value == pytest.approx(u / 9)
    assert improvement(y, x).value == pytest.approx(1 - u / 9)
    low, high = improvement(x, y).interval
    assert 0 <= low < u / 9 < high <= 1


def test_pairs_are_counted_per_resample():
    x, y = np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[1.0], [1.0]])
    np.testing.assert_allclose(win_share(x, y, axis=-1), [0.25, 1.0])


def test_a_profile_tells_the_share_above_each_threshold():
    share, (low, high) = profile(SCORES, np.array([0.0, 0.5, 0.9]))
    np.testing.assert_allclose(share, [1.0, 0.5, 0.0])
    assert (low <= share).all() and (share <= high).all()
    assert low[1] < 0.5 < high[1]


def test_curves_meet_at_common_steps():
    steps, scores = common_curve(
        [[(10, 0.0), (20, 1.0), (30, 1.0)], [(12, 0.4), (24, 1.0)]]
    )
    np.testing.assert_allclose(steps, [12, 24])
    np.testing.assert_allclose(scores, [[0.2, 0.4], [1.0, 1.0]])
    assert interval_of((scores,), iqm)[0].shape == (2,)


@pytest.mark.parametrize("curves", [[], [[(1, 0.5)], []], [[(1, 0.5)], [(2, 0.5)]]])
def test_without_common_steps_there_is_no_curve(curves):
    assert common_curve(curves) is None


@pytest.mark.parametrize("scores", [[], [np.nan, 1.0], [[1.0, 2.0]]])
def test_what_is_no_score_is_refused(scores):
    with pytest.raises(ConfigurationError, match="one finite number per seed"):
        estimate(np.array(scores), iqm)
