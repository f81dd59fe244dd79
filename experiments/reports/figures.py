"""Pictures of a report: learning curves, scores over seeds, profiles, improvement."""

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: E402

from experiments.reports.comparison import Comparison, Method  # noqa: E402
from experiments.reports.statistics import AGGREGATES, Estimate, profile  # noqa: E402

# Told apart by those who see no red or green, too; the first ones are those of the house.
_COLORS = ("#1f4e79", "#d1662a", "#2f8f4e", "#8c4799", "#c79a1b", "#4ba3c3", "#b0305c")
_FLOOR, _INK = "#8a9299", "#26323d"
_TITLES = {"iqm": "interquartile mean", "median": "median", "mean": "mean"}
# Bands of fewer seeds would cover everything and say nothing.
_SEEDS_FOR_BANDS = 5


def figures_of(comparison: Comparison) -> dict[str, Figure]:
    """Draw all that there is something to show of.

    Args:
        comparison: The comparison.

    Returns:
        Figures by name.
    """
    figures = {"scores": scores_figure(comparison)}
    if any(method.curve is not None for method in comparison.methods):
        figures["learning_curves"] = curves_figure(comparison)
    figures["profiles"] = profiles_figure(comparison)
    if len(comparison.methods) > 1:
        figures["improvement"] = improvement_figure(comparison)
    return figures


def measure_name(metric: str) -> str:
    """Say what was measured.

    Args:
        metric: Entry of ``result.json``.

    Returns:
        Words for axes and tables.
    """
    names = {
        "success_last": "success at the last step",
        "success_any": "success at any step",
    }
    return names.get(metric, "return")


def curves_figure(comparison: Comparison) -> Figure:
    """Draw the periodic tests over environment steps.

    Args:
        comparison: The comparison.

    Returns:
        The IQM of each method with its interval, every seed as a thin line, and the
        random floor.
    """
    figure, axes = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
    for color, method in _colored(comparison.methods):
        if method.curve is not None:
            _draw_curve(axes, color, method)
    _draw_floor(axes.axhline, comparison)
    if comparison.metric.startswith("success"):
        axes.set_ylim(-0.03, 1.03)
    axes.xaxis.set_major_formatter(FuncFormatter(_steps))
    axes.set(xlabel="environment steps", ylabel=measure_name(comparison.metric))
    axes.set_xlim(left=0)
    axes.set_title(f"{comparison.task}: periodic tests", fontsize=11, color=_INK)
    _tidy(axes)
    _legend(figure, axes)
    return figure


def _draw_curve(axes: Axes, color: str, method: Method) -> None:
    curve = method.curve
    assert curve is not None
    axes.plot(curve.env_steps, curve.scores, color=color, lw=0.8, alpha=0.35)
    if curve.interval is not None:
        axes.fill_between(
            curve.env_steps, *curve.interval, color=color, alpha=0.14, lw=0
        )
    axes.plot(
        curve.env_steps,
        curve.middle,
        "o-",
        color=color,
        lw=2.2,
        ms=4,
        mec="white",
        mew=0.6,
        label=_with_seeds(method),
    )


def scores_figure(comparison: Comparison) -> Figure:
    """Draw the final evaluation over seeds.

    Args:
        comparison: The comparison.

    Returns:
        One panel per aggregate, with intervals; every seed is a small mark.
    """
    n = len(comparison.methods)
    figure, panels = plt.subplots(
        1, len(AGGREGATES), figsize=(10.5, 1.5 + 0.5 * n), sharey=True, sharex=True
    )
    for axes, name in zip(panels, AGGREGATES, strict=True):
        for row, (color, method) in enumerate(_colored(comparison.methods)):
            axes.plot(
                method.scores, [row] * len(method.scores), "|", color=color, ms=11
            )
            _draw_estimate(axes, row, color, method.estimates[name])
        _draw_floor(axes.axvline, comparison)
        axes.set_xlim(*_range(comparison))
        axes.set_title(_TITLES[name], fontsize=10, color=_INK)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        _tidy(axes)
    _name_rows(panels[0], [_with_seeds(method) for method in comparison.methods])
    figure.supxlabel(measure_name(comparison.metric), fontsize=10)
    figure.suptitle(f"{comparison.task}: evaluation", fontsize=11, color=_INK)
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        panels[-1].legend(handles, labels, frameon=False, fontsize=8)
    figure.set_layout_engine("constrained")
    return figure


def profiles_figure(comparison: Comparison) -> Figure:
    """Draw which share of each method's runs scores more than each threshold.

    Args:
        comparison: The comparison.

    Returns:
        Performance profiles; of five seeds and more with pointwise intervals.
    """
    figure, axes = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
    scores = np.concatenate([method.scores for method in comparison.methods])
    thresholds = np.unique([*_range(comparison), *scores])
    for i, (color, method) in enumerate(_colored(comparison.methods)):
        share, interval = profile(method.scores, thresholds)
        # Later ones are thinner, so that equal ones are all seen.
        width = max(1.2, 3.4 - 0.7 * i)
        style: dict[str, Any] = {
            "color": color,
            "lw": width,
            "label": _with_seeds(method),
        }
        axes.step(thresholds, share, where="post", **style)
        if interval is not None and len(method.runs) >= _SEEDS_FOR_BANDS:
            axes.fill_between(
                thresholds, *interval, step="post", color=color, alpha=0.12, lw=0
            )
    _draw_floor(axes.axvline, comparison)
    axes.set(
        xlabel=f"{measure_name(comparison.metric)}: threshold",
        ylabel="share of runs above it",
        ylim=(-0.03, 1.03),
    )
    axes.set_title(f"{comparison.task}: performance profiles", fontsize=11, color=_INK)
    _tidy(axes)
    _legend(figure, axes)
    return figure


def improvement_figure(comparison: Comparison) -> Figure:
    """Draw how probably a run of one method beats a run of another.

    Args:
        comparison: Of at least two methods.

    Returns:
        One row per pair, with intervals.
    """
    pairs = comparison.improvements()
    figure, axes = plt.subplots(
        figsize=(7.2, 1.4 + 0.45 * len(pairs)), layout="constrained"
    )
    for row, (_, _, found) in enumerate(pairs):
        _draw_estimate(axes, row, _COLORS[0], found)
    axes.axvline(0.5, color=_FLOOR, ls=":")
    _name_rows(axes, [f"{a.label} > {b.label}" for a, b, _ in pairs])
    axes.set(xlabel="probability that a run of the first wins", xlim=(-0.03, 1.03))
    axes.set_title(f"{comparison.task}: improvement", fontsize=11, color=_INK)
    _tidy(axes)
    return figure


def _draw_estimate(axes: Axes, row: int, color: str, found: Estimate) -> None:
    if found.interval is not None:
        axes.barh(
            row,
            found.interval[1] - found.interval[0],
            left=found.interval[0],
            height=0.4,
            color=color,
            alpha=0.25,
            lw=0,
        )
    axes.plot(found.value, row, "D", color=color, ms=6, mec="white", mew=0.8)


def _draw_floor(line: Callable[..., Any], comparison: Comparison) -> None:
    if comparison.floor is not None:
        line(comparison.floor, color=_FLOOR, ls=":", lw=1.4, label="random actions")


def _name_rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_ylim(len(names) - 0.4, -0.6)  # the first one on top


def _range(comparison: Comparison) -> tuple[float, float]:
    """Where all scores and the floor are, with a margin."""
    scores = np.concatenate([method.scores for method in comparison.methods])
    known = [*scores, *([] if comparison.floor is None else [comparison.floor])]
    low, high = float(min(known)), float(max(known))
    margin = 0.06 * (high - low) or 0.06 * max(abs(high), 1.0)
    return low - margin, high + margin


def _colored(methods: Sequence[Method]) -> list[tuple[str, Method]]:
    return [(_COLORS[i % len(_COLORS)], method) for i, method in enumerate(methods)]


def _with_seeds(method: Method) -> str:
    n = len(method.runs)
    return f"{method.label} ({n} seed{'s' * (n > 1)})"


def _steps(value: float, _: object) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:g}"


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.2, lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9, color=_FLOOR)


def _legend(figure: Figure, axes: Axes) -> None:
    """Below the picture, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(3, len(labels)),
        frameon=False,
        fontsize=8.5,
    )
