"""Compare methods on one task over seeds: curves, aggregates with intervals, profiles."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.reports.comparison import (
    Comparison,
    MetricName,
    compare,
    plain,
)
from experiments.reports.figures import figures_of, plt
from experiments.reports.page import improvement_table, page_of, table_of
from experiments.reports.statistics import CONFIDENCE, N_RESAMPLES
from experiments.running.command_line import command_line, read_command_line
from experiments.running.past_runs import find_run_folders, read_past_run
from experiments.running.run_folder import versions, write_json, write_text
from experiments.running.training import main
from layeredrl.errors import RunFolderError


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
    page = page_of(comparison, figures)
    how = {"confidence": CONFIDENCE, "n_resamples": N_RESAMPLES}
    numbers = {**plain(comparison), **how, "versions": versions()}
    write_json(output / "report.json", {**numbers, "command": command_line()})
    write_text(output / "report.md", page)
    return page


def run() -> None:
    """Read the command line, compare, write, and print the table."""
    arguments = read_command_line(ReportArguments, __doc__)
    runs = [read_past_run(folder) for folder in find_run_folders(arguments.runs)]
    comparison = compare(runs, arguments.metric, arguments.label)
    write_report(comparison, arguments.output)
    tables = [*table_of(comparison), *improvement_table(comparison)]
    print("\n".join([comparison.task, *tables]))
    print(f"report          {arguments.output / 'report.md'}")


if __name__ == "__main__":
    main(run)
