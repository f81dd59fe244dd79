"""Plans of an episode laid over what happened."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.figures.style import ACTUAL, GOAL, PREDICTED, tidy
from experiments.figures.view import View
from layeredrl.diagnostics import Recording

_MOST_FEATURES = 4
_PLANS_SHOWN = 5
_MOST_DOTS = 30


def plan_figure(recording: Recording, view: View | None) -> Figure:
    """Show some plans of an episode against what happened.

    Args:
        recording: One episode.
        view: The plane to draw in; ``None`` if there is none.

    Returns:
        One panel with the plane, and one per feature of the latent state over time.
    """
    n_features = min(recording.state.shape[1], _MOST_FEATURES)
    # Decisions may go on with a plan; and most happens early, so plans are shown more
    # densely there.
    fresh = np.flatnonzero(np.isfinite(recording.planned[:, -1]).all(-1))
    places = (len(fresh) - 1) * np.linspace(0, 1, _PLANS_SHOWN) ** 2
    shown = fresh[np.unique(places.astype(int))]
    height = max(1.6 + 1.25 * n_features, 4.6 if view is not None else 0.0)
    figure = plt.figure(figsize=(11, height), layout="constrained")
    grid = figure.add_gridspec(n_features, 2)
    plane = figure.add_subplot(grid[:, 0])
    panels = [figure.add_subplot(grid[i, 1]) for i in range(n_features)]
    if view is None:
        plane.axis("off")
    else:
        _draw_plane(plane, recording, view, shown)
    for i, panel in enumerate(panels):
        _draw_feature(panel, recording, shown, i)
        panel.sharex(panels[0])
    panels[-1].set_xlabel("decision")
    panels[0].legend(
        fontsize=8,
        frameon=False,
        ncols=3,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.2,
    )
    figure.suptitle("What was planned, and what happened", fontsize=12)
    return figure


def traveled(recording: Recording) -> np.ndarray:
    """Trace where an episode went.

    Args:
        recording: One episode.

    Returns:
        Latent states in order, the start first: at every environment step if recorded,
        else at every decision, (N, Z).
    """
    if recording.path is None:
        known = recording.reached[np.isfinite(recording.reached).all(-1)]
        return np.concatenate([recording.state[:1], known])
    steps = recording.path[:, 1:].reshape(-1, recording.path.shape[2])
    return np.concatenate([recording.state[:1], steps[np.isfinite(steps).all(-1)]])


def line_style(n_steps: int) -> str:
    """Choose how plans are drawn.

    Args:
        n_steps: Steps of a plan.

    Returns:
        A line with a dot for each step, unless there are very many.
    """
    return ".-" if n_steps <= _MOST_DOTS else "-"


def _draw_plane(
    axes: Axes, recording: Recording, view: View, shown: np.ndarray
) -> None:
    view.prepare(axes)
    for k, i in enumerate(shown):
        label = "planned" if k == 0 else None
        plan = view.of(recording.planned[i])
        axes.plot(
            *plan.T, line_style(len(plan)), color=PREDICTED, lw=1, ms=3.5, label=label
        )
    axes.plot(*view.of(traveled(recording)).T, color=ACTUAL, lw=2, label="happened")
    axes.plot(*view.of(recording.state[0]), "o", color=ACTUAL, ms=8, label="start")
    view.mark_goal(axes, recording)
    axes.legend(
        fontsize=8,
        frameon=False,
        ncols=4,
        loc="upper center",
        bbox_to_anchor=(0.5, 1.08),
        handlelength=1.2,
        columnspacing=1.2,
    )


def _draw_feature(axes: Axes, recording: Recording, shown: np.ndarray, i: int) -> None:
    for k, start in enumerate(shown):
        plan = recording.planned[start][:, i]
        label = "planned" if k == 0 else None
        steps = start + np.arange(len(plan))
        axes.plot(
            steps, plan, line_style(len(plan)), color=PREDICTED, lw=1, ms=3, label=label
        )
    axes.plot(recording.state[:, i], color=ACTUAL, lw=2, label="happened")
    places = recording.position_columns()
    if places is not None and i in places:
        assert recording.desired_goal is not None
        goal = recording.desired_goal[:, places.index(i)]
        axes.plot(goal, color=GOAL, ls="--", lw=1, label="goal")
    axes.set_ylabel(f"feature {i}", fontsize=8)
    tidy(axes)
