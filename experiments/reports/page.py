"""A comparison in words: the page of a report, and its tables."""

from collections.abc import Collection

from experiments.reports.comparison import Comparison, Method
from experiments.reports.figures import measure_name
from experiments.reports.statistics import N_RESAMPLES, Estimate

_CAPTIONS = {
    "learning_curves": "Periodic tests: IQM over seeds with its interval; thin lines are seeds",
    "scores": "Final evaluation: aggregates with intervals; strokes are seeds",
    "profiles": "Share of runs that score more than a threshold, with pointwise intervals from "
    "five seeds on",
    "improvement": "Probability that a run of the first method beats one of the second",
}
_FEW_SEEDS = 5


def page_of(comparison: Comparison, pictures: Collection[str] = ()) -> str:
    """Write a comparison down in words.

    Args:
        comparison: The comparison.
        pictures: Names of the pictures beside the page.

    Returns:
        Markdown.
    """
    lines = [f"# {comparison.task}", "", *table_of(comparison), ""]
    lines += improvement_table(comparison)
    for name in (name for name in _CAPTIONS if name in pictures):
        lines += [f"![{_CAPTIONS[name]}]({name}.png)", "", f"*{_CAPTIONS[name]}.*", ""]
    lines += ["## How to read this", "", *_remarks(comparison), "", "## Runs", ""]
    for method in comparison.methods:
        lines += [
            f"- {method.label}, seed {run.result['seed']}: `{run.folder}`"
            for run in method.runs
        ]
    return "\n".join(lines) + "\n"


def table_of(comparison: Comparison) -> list[str]:
    """Write the scores down, one row per method.

    Args:
        comparison: The comparison.

    Returns:
        Lines of Markdown.
    """
    lines = [
        f"Final evaluation, {measure_name(comparison.metric)}:",
        "",
        "| method | seeds | IQM | median | mean | lowest | highest | steps |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(method) for method in comparison.methods]
    if comparison.floor is not None:
        lines.append(f"| random actions | | | | {_number(comparison.floor)} | | | |")
    return lines


def _row(method: Method) -> str:
    steps = sorted({round(run.result["env_steps"], -3) for run in method.runs})
    cells = [
        method.label,
        str(len(method.seeds)),
        *(_shown(method.estimates[name]) for name in ("iqm", "median", "mean")),
        _number(method.scores.min()),
        _number(method.scores.max()),
        " to ".join(
            f"{n:,}" for n in (steps if len(steps) < 3 else steps[:: len(steps) - 1])
        ),
    ]
    return f"| {' | '.join(cells)} |"


def improvement_table(comparison: Comparison) -> list[str]:
    """Write down which method beats which, and how probably.

    Args:
        comparison: The comparison.

    Returns:
        Lines of Markdown; none where there is nothing to compare.
    """
    found = comparison.improvements()
    if not found:
        return []
    lines = ["| method | beats | with probability |", "|---|---|---|"]
    lines += [f"| {a.label} | {b.label} | {_shown(p)} |" for a, b, p in found]
    return [*lines, ""]


def _remarks(comparison: Comparison) -> list[str]:
    remarks = [
        "- The seed is the unit. Intervals are 95 % percentile bootstrap intervals over "
        f"seeds, {N_RESAMPLES:,} resamples; they say nothing of a seed's own episodes.",
        "- IQM, intervals, probability of improvement and performance profiles follow "
        "Agarwal et al., *Deep Reinforcement Learning at the Edge of the Statistical "
        "Precipice*, NeurIPS 2021.",
    ]
    sizes = [len(method.seeds) for method in comparison.methods]
    if min(sizes) == 1:
        remarks.append("- A single seed has no interval: it is shown as `(one seed)`.")
    if min(sizes) < 4:
        remarks.append("- The IQM of fewer than four seeds is their mean.")
    if min(sizes) < _FEW_SEEDS:
        remarks.append(
            "- A bootstrap knows only the seeds that were run: of fewer than "
            f"{_FEW_SEEDS} its intervals are too narrow."
        )
    budgets = {
        round(r.result["env_steps"], -3) for m in comparison.methods for r in m.runs
    }
    if len(budgets) > 1:
        remarks.append(
            "- Runs were trained for different numbers of environment steps."
        )
    return remarks


def _shown(found: Estimate) -> str:
    if found.interval is None:
        return f"{_number(found.value)} (one seed)"
    low, high = found.interval
    return f"{_number(found.value)} [{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
