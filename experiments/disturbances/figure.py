"""Skills in which agents were pushed, beside the same skills left alone."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.disturbances.skills import Disturbed
from experiments.figures.style import ACTUAL, PREDICTED, QUIET, tidy

_COLORS = (ACTUAL, PREDICTED)


def pushes_figure(disturbed: Sequence[Disturbed]) -> Figure:
    """Draw how far agents are from where their skills were predicted to lead.

    Args:
        disturbed: Runs, at least one; those of one method have one colour.

    Returns:
        Means over pushes, step by step, and the share of skills that end within a distance.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4), layout="constrained")
    methods = list(dict.fromkeys(one.method for one in disturbed))
    for one in disturbed:
        color = _COLORS[methods.index(one.method) % len(_COLORS)]
        _draw_steps(left, one, color)
        _draw_ends(right, one, color)
    push = float(np.mean(np.concatenate([one.push for one in disturbed])))
    left.axvline(disturbed[0].step, color=QUIET, ls=":", lw=1)
    left.set(xlabel="environment step of the skill", ylabel="distance [cells]")
    left.set(title="How far from the predicted end", ylim=(0, None))
    right.axvline(push, color=QUIET, ls=":", lw=1)
    right.set(xlabel="distance [cells]", ylabel="share of skills", ylim=(0, 1))
    right.set(title="Ends within a distance of the predicted one", xlim=(0, None))
    for panel in (left, right):
        tidy(panel)
    right.legend(frameon=False, fontsize=8, loc="lower right")
    figure.suptitle(f"{len(disturbed[0].push)} pushes aside, by {push:.2f} cells")
    return figure


def _draw_steps(axes: Axes, one: Disturbed, color: str) -> None:
    step = np.arange(one.calm.shape[1])
    axes.plot(step, one.calm.mean(0), color=color, ls="--", lw=1.5)
    mean = one.pushed.mean(0)
    spread = 1.96 * one.pushed.std(0) / np.sqrt(len(one.pushed))
    axes.plot(step, mean, color=color, lw=2)
    axes.fill_between(step, mean - spread, mean + spread, color=color, alpha=0.2, lw=0)


def _draw_ends(axes: Axes, one: Disturbed, color: str) -> None:
    for ends, line, what in (
        (one.pushed, "-", "pushed"),
        (one.calm, "--", "left alone"),
    ):
        distance = np.sort(ends[:, -1])
        share = np.arange(1, len(distance) + 1) / len(distance)
        axes.plot(distance, share, color=color, ls=line, label=f"{one.label}, {what}")
