"""Compare methods on one task over seeds: curves, aggregates with intervals, profiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.arguments import program_name
from experiments.comparison import (
    Comparison,
    Method,
    MetricName,
    compare,
    plain,
)
from experiments.past_runs import find_run_folders, read_past_run
from experiments.report_figures import figures_of, measure_name, plt
from experiments.run_folder import command_line, versions, write_json, write_text
from experiments.statistics import CONFIDENCE, N_RESAMPLES, Estimate
from experiments.training import main
from layeredrl.errors import RunFolderError

_CAPTIONS = {
    "learning_curves": "Periodic tests: IQM over seeds with its interval; thin lines are seeds",
    "scores": "Final evaluation: aggregates with intervals; strokes are seeds",
    "profiles": "Share of runs that score more than a threshold, with pointwise intervals from "
    "five seeds on",
    "improvement": "Probability that a run of the first method beats one of the second",
}
_FEW_SEEDS = 5


@dataclass(frozen=True)
class ReportArguments:
    """Which runs, and how to show them."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Run folders, folders that hold some, or quoted patterns of either; all of one task."""
    output: Path = Path("runs/report")
    """Where ``report.md``, ``report.json`` and the pictures go; an older report there is
    replaced."""
    metric: MetricName | None = None
    """What is compared; by default success at the last step where the environment has one,
    else the return."""
    label: tuple[str, ...] = ()
    """``NAME=FOLDER``: the runs in that folder, or that it is a pattern of, are one method of
    that name. All others are grouped by their arguments and named by preset, learner or
    folder."""


def write_report(comparison: Comparison, output: Path) -> str:
    """Write the page, the numbers and the pictures.

    Args:
        comparison: What to show.
        output: The folder; made if it is not there.

    Returns:
        The page.

    Raises:
        RunFolderError: If it cannot be written.
    """
    figures = figures_of(comparison)
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, figure in figures.items():
            figure.savefig(output / f"{name}.png", dpi=120)
            plt.close(figure)
    except OSError as error:
        raise RunFolderError(f"cannot write a report to {output}: {error}") from error
    page = page_of(comparison, [name for name in _CAPTIONS if name in figures])
    how = {"confidence": CONFIDENCE, "n_resamples": N_RESAMPLES}
    numbers = {**plain(comparison), **how, "versions": versions()}
    write_json(output / "report.json", {**numbers, "command": command_line()})
    write_text(output / "report.md", page)
    return page


def page_of(comparison: Comparison, pictures: Sequence[str] = ()) -> str:
    """Write a comparison down in words.

    Args:
        comparison: The comparison.
        pictures: Names of the pictures beside the page.

    Returns:
        Markdown.
    """
    lines = [f"# {comparison.task}", "", *table_of(comparison), ""]
    lines += _improvement_table(comparison)
    for name in pictures:
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


def _improvement_table(comparison: Comparison) -> list[str]:
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


def run() -> None:
    """Read the command line, compare, write, and print the table."""
    arguments = tyro.cli(ReportArguments, prog=program_name(), description=__doc__)
    runs = [read_past_run(folder) for folder in find_run_folders(arguments.runs)]
    comparison = compare(runs, arguments.metric, arguments.label)
    write_report(comparison, arguments.output)
    print("\n".join([comparison.task, *table_of(comparison)]))
    print("\n".join(_improvement_table(comparison)))
    print(f"report          {arguments.output / 'report.md'}")


if __name__ == "__main__":
    main(run)
