"""Probability integral transforms: where in its predicted distribution an outcome lies.

If predictions are right, these values are uniform on [0, 1], whatever was predicted
(Dawid 1984; Gneiting, Balabdaoui & Raftery 2007, section 3.1). Values that pile up at both
ends tell of too narrow predictions, those in the middle of too wide ones, and those at one
end of a bias.
"""

import numpy as np
from scipy import stats

from layeredrl.types import MixturePrediction


def mixture_pit(prediction: MixturePrediction, outcome: np.ndarray) -> np.ndarray:
    """Evaluate the distribution function of each feature's mixture over all members.

    Args:
        prediction: What was predicted, B rows.
        outcome: What happened, (B, Z).

    Returns:
        Values in [0, 1], (B, Z).
    """
    mean, weights, std = (
        x.double().cpu().numpy()
        for x in (prediction.mean, prediction.weights, prediction.std)
    )
    below = stats.norm.cdf((outcome[:, None, None] - mean) / std)
    mixed: np.ndarray = (weights[..., None] * below).sum(2).mean(1)
    return mixed


def sample_pit(
    samples: np.ndarray, outcome: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Rank outcomes among samples, with ties and the gaps between ranks drawn uniformly.

    Exactly uniform if an outcome is exchangeable with its S samples (Czado, Gneiting &
    Held 2009, equation 1, for the distribution of one more draw).

    Args:
        samples: Draws from the predicted distributions, (B, S, ...).
        outcome: What happened, (B, ...).
        generator: Source of randomness.

    Returns:
        Values in [0, 1], (B, ...).
    """
    below = (samples < outcome[:, None]).sum(1)
    equal = (samples == outcome[:, None]).sum(1)
    within = generator.random(outcome.shape) * (equal + 1)
    return (below + within) / (samples.shape[1] + 1)


def coverage(pit: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Tell how often outcomes lie in central intervals.

    Args:
        pit: Values (R, ...); NaN is left out.
        level: Nominal probabilities of the intervals, in (0, 1), (L,).

    Returns:
        Shares (L, ...); NaN where there are no values.
    """
    off_center = np.abs(2.0 * pit - 1.0)
    inside = off_center <= level.reshape(-1, *[1] * pit.ndim)
    known = np.isfinite(pit).sum(0)
    shares = np.full((len(level), *pit.shape[1:]), np.nan)
    return np.divide(inside.sum(1), known, out=shares, where=known > 0)


def pit_histogram(pit: np.ndarray, n_bins: int = 10) -> np.ndarray:
    """Count values in bins of equal width, as a density: 1 everywhere if uniform.

    Args:
        pit: Values of any shape; NaN is left out.
        n_bins: Number of bins.

    Returns:
        Densities (n_bins,); NaN without values.
    """
    known = pit[np.isfinite(pit)]
    if not known.size:
        return np.full(n_bins, np.nan)
    counts, _ = np.histogram(known, n_bins, (0.0, 1.0))
    return counts * n_bins / known.size


def uniform_distance(pit: np.ndarray) -> float:
    """Largest gap between the distribution of values and the uniform one.

    The statistic of Kolmogorov and Smirnov. Values of overlapping windows depend on each
    other, so it is a distance and not a test.

    Args:
        pit: Values of any shape; NaN is left out.

    Returns:
        The distance, in [0, 1]; NaN without values.
    """
    known = pit[np.isfinite(pit)]
    return float(stats.kstest(known, "uniform").statistic) if known.size else np.nan
