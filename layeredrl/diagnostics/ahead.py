"""The same numbers at every step ahead, for a table."""

import numpy as np

from layeredrl.diagnostics.calibration import Calibration
from layeredrl.diagnostics.outcomes import OutcomeErrors
from layeredrl.diagnostics.pit import uniform_distance
from layeredrl.diagnostics.recording import Recording
from layeredrl.diagnostics.rewards import RewardErrors


def numbers_ahead(
    recording: Recording,
    errors: OutcomeErrors,
    calibration: Calibration,
    rewards: RewardErrors | None = None,
) -> dict[str, np.ndarray]:
    """Average what is known of each step ahead.

    Args:
        recording: What happened.
        errors: Planned against achieved.
        calibration: Of the same recording and horizon.
        rewards: Likewise; ``None`` where no rewards are predicted.

    Returns:
        Arrays over the K steps ahead of which something is known, (K,), by name:
        ``ahead``, which step it is, from 1; ``windows``, what the means are over;
        ``error``, mean distance in latent units; ``position_error``, the same of the
        features that tell what is to be achieved, where there are some;
        ``relative_error``, in typical changes of one decision; ``error_in_std``, root mean
        square in predicted standard deviations, 1 if these are right; ``still``, the error
        of predicting no change; ``calibration_error``; ``pit_distance``, of PIT values from
        uniform ones; for every level, in percent, ``coverage_90``; and ``reward_error`` and
        ``reward_explained``, as in :class:`~layeredrl.diagnostics.RewardErrors`. NaN where
        nothing is known.
    """
    known = errors.windows.is_valid.any(0)
    found = {
        "ahead": np.flatnonzero(known) + 1,
        "windows": errors.windows.is_valid.sum(0)[known],
        "error": np.nanmean(errors.distance[:, known], 0),
    }
    places = recording.position_columns()
    if places is not None:
        off = (errors.predicted - errors.windows.achieved)[..., list(places)]
        found["position_error"] = np.nanmean(np.linalg.norm(off, axis=-1)[:, known], 0)
    found |= {
        "relative_error": _mean(errors.relative)[known],
        "error_in_std": np.sqrt(_mean(np.square(errors_in_std(calibration))))[known],
        "still": np.nanmean(errors.still[:, known], 0),
        "calibration_error": calibration.error[known],
        "pit_distance": np.array(
            [uniform_distance(pit) for pit in np.moveaxis(calibration.pit, 1, 0)]
        )[known],
    }
    for level, shares in zip(calibration.levels, calibration.coverage, strict=True):
        found[f"coverage_{100 * level:g}"] = shares[known]
    if rewards is not None:
        found["reward_error"] = rewards.error[known]
        found["reward_explained"] = rewards.explained[known]
    return found


def errors_in_std(calibration: Calibration) -> np.ndarray:
    """Measure errors of predicted means by what the model holds for likely.

    Args:
        calibration: What was measured.

    Returns:
        Errors over predicted standard deviations, per feature, (W, T, Z); NaN where the
        model leaves nothing to chance.
    """
    found = np.full(calibration.std.shape, np.nan)
    is_spread = calibration.std > 0.0
    return np.divide(calibration.distance, calibration.std, out=found, where=is_spread)


def _mean(values: np.ndarray) -> np.ndarray:
    """Average all that is known of each step, (W, T, ...) to (T,)."""
    each = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
    known = np.isfinite(each)
    count = known.sum(1)
    mean = np.full(len(each), np.nan)
    return np.divide(
        np.where(known, each, 0.0).sum(1), count, out=mean, where=count > 0
    )
