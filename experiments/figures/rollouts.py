"""Imagined trajectories laid over what happened, and errors in predicted spreads."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.figures.plans import line_style, traveled
from experiments.figures.style import (
    ACTUAL,
    PREDICTED,
    QUIET,
    count_in_whole_numbers,
    tidy,
)
from experiments.figures.view import View
from layeredrl.diagnostics import (
    Calibration,
    OutcomeErrors,
    Recording,
    errors_in_std,
    spread_rows,
)

_N_ROLLOUTS = 12


def rollout_figure(
    recording: Recording,
    errors: OutcomeErrors,
    calibration: Calibration,
    view: View | None,
) -> Figure:
    """Show where decisions were predicted to lead, from states far apart.

    Args:
        recording: What happened.
        errors: Open-loop predictions.
        calibration: Of the same recording.
        view: The plane to draw in; ``None`` if there is none.

    Returns:
        A panel with the plane, and one with errors in predicted standard deviations.
    """
    n_panels = 1 if view is None else 2
    figure, panels = plt.subplots(
        1, n_panels, figsize=(5.5 * n_panels, 4.8), layout="constrained", squeeze=False
    )
    if view is not None:
        _draw_plane(panels[0, 0], recording, errors, view)
    _draw_in_std(panels[0, -1], calibration)
    figure.suptitle("The same decisions, imagined and carried out", fontsize=12)
    return figure


def _draw_plane(
    axes: Axes, recording: Recording, errors: OutcomeErrors, view: View
) -> None:
    """Whole windows if there are some, else the longest."""
    view.prepare(axes)
    windows = errors.windows
    length = windows.is_valid.sum(1)
    longest = np.flatnonzero(length == length.max())
    starts = view.of(recording.state[windows.start[longest]])
    for k, row in enumerate(longest[spread_rows(starts, _N_ROLLOUTS)]):
        first = windows.start[row]
        happened = traveled(recording.of_rows(first + np.arange(length.max())))
        imagined = errors.predicted[row, : length.max()]
        imagined = np.concatenate([recording.state[first][None], imagined])
        labels = ("happened", "imagined", "start") if k == 0 else (None,) * 3
        axes.plot(*view.of(happened).T, color=ACTUAL, lw=2, label=labels[0])
        axes.plot(
            *view.of(imagined).T,
            line_style(len(imagined)),
            color=PREDICTED,
            lw=1.2,
            ms=4,
            label=labels[1],
        )
        axes.plot(*starts[longest == row][0], "o", color=ACTUAL, ms=6, label=labels[2])
    axes.legend(
        fontsize=8,
        frameon=False,
        ncols=3,
        loc="upper center",
        bbox_to_anchor=(0.5, 1.08),
    )


def _draw_in_std(axes: Axes, calibration: Calibration) -> None:
    """Half and most of the errors of all features, beside what a normal error has."""
    size = np.moveaxis(errors_in_std(calibration), 1, 0)
    size = size.reshape(len(size), -1)
    known = np.isfinite(size).any(1)
    ahead = np.flatnonzero(known) + 1
    half, most = np.nanquantile(size[known], [0.5, 0.95], axis=1)
    marker = "o" if len(ahead) <= 20 else ""
    for values, right, color, label in (
        (most, 1.96, PREDICTED, "95 % of errors are below"),
        (half, 0.67, ACTUAL, "half of errors are below"),
    ):
        axes.plot(ahead, values, marker + "-", color=color, lw=2, ms=4, label=label)
        axes.axhline(right, color=color, ls=":", lw=1.2)
    axes.plot([], [], color=QUIET, ls=":", lw=1.2, label="if they are normal")
    axes.set(xlabel="decisions ahead", ylabel="predicted standard deviations")
    axes.set_title("Errors of features, in predicted spreads", fontsize=10)
    axes.set_ylim(bottom=0.0)
    count_in_whole_numbers(axes)
    axes.legend(frameon=False, fontsize=8)
    tidy(axes)
