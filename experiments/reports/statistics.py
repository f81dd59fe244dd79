"""Statistics over the seeds of methods, by scipy.

The seed is the unit: what is resampled are runs, never episodes. Which numbers to show, and why
with intervals, follows Agarwal et al., "Deep Reinforcement Learning at the Edge of the
Statistical Precipice", NeurIPS 2021.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from layeredrl.errors import ConfigurationError

CONFIDENCE = 0.95
N_RESAMPLES = 5000
Statistic = Callable[..., Any]


@dataclass(frozen=True)
class Estimate:
    """A number over seeds, and how sure one can be of it."""

    value: float
    """The number."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval; ``None`` where there is one seed only."""


def iqm(scores: np.ndarray, axis: int = -1) -> np.ndarray:
    """Average the middle half: less noisy than the median, less moved by outliers than the mean.

    Args:
        scores: Scores (..., seeds).
        axis: Which axis are seeds.

    Returns:
        The interquartile mean; of fewer than four seeds it is the mean.
    """
    return np.asarray(stats.trim_mean(scores, 0.25, axis=axis))


AGGREGATES: dict[str, Statistic] = {"iqm": iqm, "median": np.median, "mean": np.mean}


def estimate(scores: np.ndarray, aggregate: Statistic, seed: int = 0) -> Estimate:
    """Aggregate scores over seeds.

    Args:
        scores: One score per seed (S,).
        aggregate: Takes scores and the ``axis`` of seeds.
        seed: Of the bootstrap.

    Returns:
        The aggregate and its interval; where all seeds agree the interval is the point.
    """
    scores = _checked(scores)
    value = float(aggregate(scores, axis=-1))
    bounds = interval_of((scores,), aggregate, seed)
    if bounds is None:
        return Estimate(value, None)
    return Estimate(value, (float(bounds[0]), float(bounds[1])))


def interval_of(
    samples: tuple[np.ndarray, ...], statistic: Statistic, seed: int = 0
) -> tuple[np.ndarray, np.ndarray] | None:
    """Bootstrap a statistic of one or more samples, seeds resampled in each.

    Args:
        samples: Scores (..., S), of each method.
        statistic: Takes the samples and the ``axis`` of seeds.
        seed: Of the bootstrap.

    Returns:
        Bounds of the 95 % percentile interval, of the statistic's shape; ``None`` if a
        sample has one seed only.
    """
    if min(sample.shape[-1] for sample in samples) < 2:
        return None
    result = stats.bootstrap(
        samples,
        statistic,
        n_resamples=N_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        axis=-1,
        vectorized=True,
        random_state=np.random.default_rng(seed),
    )
    bounds = result.confidence_interval
    return np.asarray(bounds.low), np.asarray(bounds.high)


def improvement(x: np.ndarray, y: np.ndarray, seed: int = 0) -> Estimate:
    """Estimate how probable it is that a run of one method beats a run of another.

    This is the Mann-Whitney U over the number of pairs; a tie counts half.

    Args:
        x: Scores of the one method (S,).
        y: Scores of the other (R,).
        seed: Of the bootstrap.

    Returns:
        The probability that x beats y, and its interval.
    """
    x, y = _checked(x), _checked(y)
    value = float(win_share(x, y, axis=-1))
    bounds = interval_of((x, y), win_share, seed)
    if bounds is None:
        return Estimate(value, None)
    return Estimate(value, (float(bounds[0]), float(bounds[1])))


def win_share(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Count the pairs that the first sample wins.

    Args:
        x: Scores (..., S).
        y: Scores (..., R).
        axis: Which axis are seeds.

    Returns:
        Share of won pairs, ties half.
    """
    x, y = np.moveaxis(x, axis, -1), np.moveaxis(y, axis, -1)
    difference = x[..., :, None] - y[..., None, :]
    return np.asarray((0.5 * (np.sign(difference) + 1.0)).mean((-1, -2)))


def profile(
    scores: np.ndarray, thresholds: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
    """Tell which share of runs scores more than each threshold.

    Args:
        scores: One score per seed (S,).
        thresholds: Scores to ask for (T,).
        seed: Of the bootstrap.

    Returns:
        Shares (T,), and bounds of their pointwise intervals.
    """
    above = (_checked(scores)[None, :] > thresholds[:, None]).astype(float)
    return above.mean(-1), interval_of((above,), np.mean, seed)


def common_curve(
    curves: list[list[tuple[int, float]]],
) -> tuple[np.ndarray, np.ndarray] | None:
    """Bring the learning curves of several seeds onto the same environment steps.

    Seeds are tested at nearly, not exactly, the same steps: values between tests are
    interpolated, beyond the steps that all seeds have nothing is shown.

    Args:
        curves: Environment steps and score of each test, per seed.

    Returns:
        Environment steps (T,), and scores (T, S); ``None`` if a seed has no tests.
    """
    if not curves or not all(curves):
        return None
    arrays = [np.array(sorted(curve), dtype=float) for curve in curves]
    low = max(array[0, 0] for array in arrays)
    high = min(array[-1, 0] for array in arrays)
    if low > high:
        return None
    fewest = min(arrays, key=len)[:, 0]
    steps = np.unique(np.clip(fewest, low, high))
    scores = [np.interp(steps, array[:, 0], array[:, 1]) for array in arrays]
    return steps, np.stack(scores, axis=-1)


def _checked(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 1 or not scores.size or not np.isfinite(scores).all():
        raise ConfigurationError(
            f"scores are one finite number per seed, got {scores.tolist()}"
        )
    return scores
