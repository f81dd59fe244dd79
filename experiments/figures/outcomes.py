"""Planned against achieved: how far off, how far ahead, and after which decisions."""

import numpy as np
from gymnasium import spaces
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.figures.style import (
    ACTUAL,
    PREDICTED,
    QUIET,
    count_in_whole_numbers,
    tidy,
)
from layeredrl.diagnostics import OutcomeErrors, Recording, mean_per_bin, skill_bins

_MOST_POINTS = 600
_FEATURE_COLORS = ("#1f4e79", "#d1662a", "#2f8f4e", "#7a4b94")


def model_figure(
    recording: Recording, errors: OutcomeErrors, title: str
) -> Figure | None:
    """Compare open-loop predictions with what the same decisions led to.

    Args:
        recording: One episode at least; the first one is drawn over time.
        errors: Planned against achieved.
        title: Written above.

    Returns:
        The error over the horizon, and predictions laid over the first feature; ``None``
        if the first episode had one decision only.
    """
    episode = recording.of_episode(0)
    if len(episode) < 2:
        return None
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
    draw_error_ahead(left, errors)
    own = recording.episode[errors.windows.start] == 0
    rows = np.flatnonzero(own)[::5]
    for k, row in enumerate(rows):
        start = errors.windows.start[row]
        states = [recording.state[start, :1], errors.predicted[row, :, 0]]
        right.plot(
            recording.time[start] + np.arange(1 + len(states[1])),
            np.concatenate(states),
            color=PREDICTED,
            lw=1,
            alpha=0.7,
            label="predicted" if k == 0 else None,
        )
    right.plot(episode.state[:, 0], color=ACTUAL, lw=2, label="happened")
    right.set(xlabel="decision", ylabel="latent feature 0")
    right.legend(frameon=False, fontsize=8)
    tidy(right)
    figure.suptitle(title, fontsize=12)
    return figure


def outcome_figure(
    recording: Recording, errors: OutcomeErrors, space: spaces.Space
) -> Figure:
    """Show errors by outcome, by how far is looked ahead, and by decision.

    Args:
        recording: What happened.
        errors: Planned against achieved.
        space: Space of what is decided: skills, subgoals or actions.

    Returns:
        Three panels.
    """
    figure, panels = plt.subplots(
        1, 3, figsize=(13.5, 4.1), layout="constrained", width_ratios=(1, 1.25, 1)
    )
    _draw_changes(panels[0], recording, errors)
    draw_error_ahead(panels[1], errors, shows_plans=True)
    panels[1].set_title("Error the further ahead", fontsize=10)
    _draw_by_skill(panels[2], recording, errors, space)
    figure.suptitle("Planned against achieved outcomes", fontsize=12)
    return figure


def draw_error_ahead(
    axes: Axes, errors: OutcomeErrors, shows_plans: bool = False
) -> None:
    """Draw the error over the horizon.

    Args:
        axes: The panel; changed in place.
        errors: Planned against achieved.
        shows_plans: Whether to add what plans promised.
    """
    known = errors.windows.is_valid.any(0)
    ahead = np.flatnonzero(known) + 1
    distance = errors.distance[:, known]
    low, high = np.nanquantile(distance, [0.1, 0.9], axis=0)
    axes.fill_between(
        ahead, low, high, color=PREDICTED, alpha=0.18, lw=0, label="10 to 90 %"
    )
    marker = "o" if len(ahead) <= 20 else ""
    axes.plot(
        ahead,
        np.nanmean(distance, 0),
        marker + "-",
        color=PREDICTED,
        lw=2,
        ms=4,
        label="model, same decisions",
    )
    if shows_plans:
        promised = np.isfinite(errors.revised[:, known]).any(0)
        axes.plot(
            ahead[promised],
            np.nanmean(errors.revised[:, known][:, promised], 0),
            "--",
            color=ACTUAL,
            lw=1.5,
            label="plans, revised later",
        )
    still = np.nanmean(errors.still[:, known], 0)
    axes.plot(ahead, still, color=QUIET, ls=":", lw=1.5, label="if nothing moved")
    axes.set(xlabel="decisions ahead", ylabel="mean distance to what happened")
    axes.set_ylim(bottom=0.0)
    count_in_whole_numbers(axes)
    axes.legend(frameon=False, fontsize=8)
    tidy(axes)


def _draw_changes(axes: Axes, recording: Recording, errors: OutcomeErrors) -> None:
    """Predicted against achieved change by one decision, feature by feature.

    Each in its own unit, as positions and velocities differ much; few lie outside.
    """
    start = recording.state[errors.windows.start]
    planned = (errors.predicted[:, 0] - start) / errors.unit
    achieved = (errors.windows.achieved[:, 0] - start) / errors.unit
    step = max(1, len(start) // _MOST_POINTS)
    n_features = min(start.shape[1], len(_FEATURE_COLORS))
    sizes = np.abs(np.concatenate([planned, achieved]))
    sizes = sizes[np.isfinite(sizes)]
    reach = 1.1 * float(np.quantile(sizes, 0.99)) if sizes.size else 1.0
    axes.plot([-reach, reach], [-reach, reach], color=QUIET, lw=1, ls=":")
    for i in range(n_features):
        axes.plot(
            planned[::step, i],
            achieved[::step, i],
            ".",
            color=_FEATURE_COLORS[i],
            ms=4,
            alpha=0.45,
            mew=0,
            label=f"feature {i}",
        )
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    axes.locator_params(nbins=5)
    axes.set(
        xlabel="planned change [typical changes]",
        ylabel="achieved change [typical changes]",
    )
    axes.set_title("One decision ahead", fontsize=10)
    axes.set_aspect("equal")
    axes.legend(frameon=False, fontsize=8, markerscale=2, loc="upper left")
    tidy(axes)


def _draw_by_skill(
    axes: Axes, recording: Recording, errors: OutcomeErrors, space: spaces.Space
) -> None:
    """Mean distance one decision ahead, by bins of skills."""
    bins = skill_bins(recording.action[errors.windows.start], space)
    mean, count = mean_per_bin(errors.distance[:, 0], bins)
    axes.set_title("One ahead, by what was decided (numbers: how often)", fontsize=10)
    if mean.ndim == 2:
        assert isinstance(space, spaces.Box)
        low, high = space.low.ravel(), space.high.ravel()
        image = axes.imshow(
            mean.T,
            origin="lower",
            extent=(low[0], high[0], low[1], high[1]),
            cmap="YlOrBr",
            vmin=0.0,
            aspect="auto",
        )
        axes.set(xlabel="decided, feature 0", ylabel="decided, feature 1")
        bar = axes.figure.colorbar(image, ax=axes, label="mean distance")
        bar.outline.set_visible(False)
        axes.tick_params(labelsize=8)
        centers = bins.center.reshape(*mean.shape, 2)
        for i, j in np.ndindex(*count.shape):
            dark = mean[i, j] > 0.6 * np.nanmax(mean)
            axes.text(
                centers[i, j, 0],
                centers[i, j, 1],
                f"{count[i, j]}",
                fontsize=7,
                color="white" if dark else QUIET,
                ha="center",
                va="center",
            )
        return
    axes.bar(np.arange(mean.size), np.nan_to_num(mean), color=PREDICTED, alpha=0.8)
    axes.set_xticks(np.arange(mean.size), _bin_names(space, mean.size), fontsize=7)
    axes.set(xlabel="decided", ylabel="mean distance to what happened")
    for i, (value, n) in enumerate(zip(mean, count, strict=True)):
        height = float(np.nan_to_num(value))
        axes.text(i, height, f"{n}", fontsize=7, color=QUIET, ha="center", va="bottom")
    tidy(axes)


def _bin_names(space: spaces.Space, n: int) -> list[str]:
    if isinstance(space, spaces.Discrete):
        return [str(int(space.start) + i) for i in range(n)]
    assert isinstance(space, spaces.Box)
    if int(np.prod(space.shape)) == 1:
        edges = np.linspace(space.low.item(), space.high.item(), n + 1)
        return [
            f"{(a + b) / 2:.1f}" for a, b in zip(edges[:-1], edges[1:], strict=True)
        ]
    return [f"{'+-'[i % 2]}{i // 2}" for i in range(n)]
