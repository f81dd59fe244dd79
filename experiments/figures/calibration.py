"""How sure the model is, against how sure it could be."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from experiments.figures.style import (
    ACTUAL,
    PREDICTED,
    QUIET,
    count_in_whole_numbers,
    tidy,
)
from layeredrl.diagnostics import Calibration, coverage, pit_histogram

_N_BINS = 10
_LEVELS = np.linspace(0.0, 1.0, 41)[1:-1]


def calibration_figure(calibration: Calibration) -> Figure:
    """Show coverage of central intervals, PIT histograms, and spread against error.

    Args:
        calibration: What was measured.

    Returns:
        A panel for coverage, one for spread and error, and three histograms.
    """
    steps = _steps_shown(calibration, 5)
    figure = plt.figure(figsize=(13.5, 4.4), layout="constrained")
    grid = figure.add_gridspec(3, 3, width_ratios=(1, 1.15, 0.9))
    _draw_coverage(figure.add_subplot(grid[:, 0]), calibration, steps)
    _draw_spread(figure.add_subplot(grid[:, 1]), calibration)
    few = _steps_shown(calibration, 3)
    panels = [figure.add_subplot(grid[i, 2]) for i in range(len(few))]
    for panel, step in zip(panels, few, strict=True):
        _draw_histogram(panel, calibration, step)
    panels[0].set_title("Where outcomes lie (density of PIT values)", fontsize=10)
    panels[-1].set_xlabel("predicted probability of less than what happened")
    for panel in panels[:-1]:
        panel.tick_params(labelbottom=False)
    figure.suptitle("Does the model know how sure it can be?", fontsize=12)
    return figure


def _steps_shown(calibration: Calibration, n: int) -> np.ndarray:
    """Some steps ahead, more of the near ones, as indices."""
    known = np.flatnonzero(np.isfinite(calibration.error))
    ahead = np.geomspace(1, len(known), min(n, len(known)))
    return known[np.unique(np.rint(ahead).astype(int)) - 1]


def _draw_coverage(axes: Axes, calibration: Calibration, steps: np.ndarray) -> None:
    axes.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=":")
    colors = plt.colormaps["viridis"](np.linspace(0.0, 0.85, len(steps)))
    for color, step in zip(colors, steps, strict=True):
        shares = coverage(calibration.pit[:, step].reshape(-1), _LEVELS)
        axes.plot(_LEVELS, shares, color=color, lw=1.8, label=f"{step + 1}")
        axes.plot(
            calibration.levels, calibration.coverage[:, step], "o", color=color, ms=3.5
        )
    axes.text(0.05, 0.93, "too wide", fontsize=8, color=QUIET)
    axes.text(0.95, 0.05, "too narrow", fontsize=8, color=QUIET, ha="right")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set(xlabel="nominal probability", ylabel="share of outcomes within")
    axes.set_title("Coverage of central intervals", fontsize=10)
    axes.set_aspect("equal")
    axes.legend(
        title="decisions\nahead",
        title_fontsize=8,
        fontsize=8,
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
    )
    tidy(axes)


def _draw_spread(axes: Axes, calibration: Calibration) -> None:
    """Predicted spread and actual error; alike where the model is calibrated."""
    known = np.isfinite(calibration.error)
    ahead = np.flatnonzero(known) + 1
    marker = "o" if len(ahead) <= 20 else ""
    for values, color, label in (
        (calibration.distance, ACTUAL, "error of the mean"),
        (calibration.std, PREDICTED, "predicted spread"),
    ):
        square = np.nanmean(np.square(values[:, known]).sum(-1), 0)
        axes.plot(
            ahead, np.sqrt(square), marker + "-", color=color, ms=4, lw=2, label=label
        )
    axes.set(xlabel="decisions ahead", ylabel="root mean square distance")
    axes.set_title("Spread against error", fontsize=10)
    axes.set_ylim(bottom=0.0)
    count_in_whole_numbers(axes)
    axes.legend(frameon=False, fontsize=8)
    tidy(axes)


def _draw_histogram(axes: Axes, calibration: Calibration, step: int) -> None:
    pit = calibration.pit[:, step]
    density = pit_histogram(pit, _N_BINS)
    n = int(np.isfinite(pit).sum())
    low, high = stats.binom.ppf([0.05, 0.95], n, 1 / _N_BINS) * _N_BINS / n
    axes.axhspan(low, high, color=QUIET, alpha=0.2, lw=0)
    axes.axhline(1.0, color=QUIET, lw=1, ls=":")
    axes.stairs(
        density, np.linspace(0, 1, _N_BINS + 1), fill=True, color=ACTUAL, alpha=0.75
    )
    axes.set(xlim=(0, 1), ylim=(0, max(2.0, 1.1 * float(density.max()))))
    axes.set_ylabel(f"{step + 1} ahead", fontsize=9)
    tidy(axes)
