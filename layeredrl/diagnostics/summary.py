"""A few numbers for a log."""

import numpy as np

from layeredrl.diagnostics.calibration import Calibration
from layeredrl.diagnostics.outcomes import OutcomeErrors


def summarize_diagnostics(
    errors: OutcomeErrors, calibration: Calibration
) -> dict[str, float]:
    """Pick the numbers one and H decisions ahead, H being the furthest that is known.

    Args:
        errors: Planned against achieved.
        calibration: Of the same recording.

    Returns:
        Numbers by name: ``horizon``; ``error_1``, ``error_H`` (mean distance in latent
        units), ``relative_error_1``, ``relative_error_H`` (mean, in typical changes of one
        decision), ``calibration_error_1`` and ``calibration_error_H``, and for every
        level, in percent, ``coverage_90_1`` and ``coverage_90_H``.
    """
    known = np.flatnonzero(errors.windows.is_valid.any(0))
    tabled = np.flatnonzero(np.isfinite(calibration.error))
    numbers = {"horizon": float(known[-1] + 1)}
    for name, h, row in (("1", 0, 0), ("H", known[-1], tabled[-1])):
        numbers[f"error_{name}"] = float(np.nanmean(errors.distance[:, h]))
        numbers[f"relative_error_{name}"] = _mean(errors.relative[:, h])
        numbers[f"calibration_error_{name}"] = float(calibration.error[row])
        for level, share in zip(
            calibration.levels, calibration.coverage[:, row], strict=True
        ):
            numbers[f"coverage_{100 * level:g}_{name}"] = float(share)
    return numbers


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
