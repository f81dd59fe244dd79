"""Put finished runs of one task, one per seed, beside the documentation."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import matplotlib

matplotlib.use("Agg")

import numpy as np  # noqa: E402
import tyro  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from experiments.reports.comparison import one_task, usual_metric  # noqa: E402
from experiments.running.command_line import read_command_line  # noqa: E402
from experiments.running.past_runs import (  # noqa: E402
    PastRun,
    read_past_run,
    same_seed,
    words_of,
)
from experiments.running.run_folder import write_json, write_text  # noqa: E402
from experiments.running.training import main  # noqa: E402
from layeredrl.errors import ConfigurationError, RunFolderError  # noqa: E402

_RUNS = "runs"


@dataclass(frozen=True)
class PublishArguments:
    """Which runs, and under which name."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders, one per seed."""
    name: str
    """Name of the result."""
    output: Path = Path("docs/results")
    """Where results are kept."""


def figure_of(runs: list[PastRun]) -> Figure:
    """Draw every seed's periodic tests and evaluation, with the random floor.

    Args:
        runs: Runs of one task.

    Returns:
        The figure.
    """
    measure = usual_metric(runs)
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for i, run in enumerate(runs):
        color, seed = plt.colormaps["viridis"](0.2 + 0.25 * i), run.result["seed"]
        tests = run.curve(measure)
        if tests:
            axes.plot(*zip(*tests, strict=True), "o-", color=color, ms=3, lw=1.2)
        axes.plot(
            run.result["env_steps"],
            run.result[measure],
            "*",
            ms=13,
            color=color,
            label=f"seed {seed}, {run.result['episodes']} episodes",
        )
    floor = float(np.mean([run.result[f"random_{measure}"] for run in runs]))
    axes.axhline(floor, color="gray", ls=":", label="random actions")
    axes.set(xlabel="environment steps", ylabel=measure.replace("_", " "))
    axes.set_title(runs[0].result["env_id"], fontsize=11)
    axes.legend(frameon=False, fontsize=8)
    return figure


def page_of(name: str, runs: list[PastRun]) -> str:
    """Write the result down in words.

    Args:
        name: Name of the result.
        runs: Runs of one task.

    Returns:
        Markdown with the table, the figure and the commands.
    """
    lines = [
        f"# {runs[0].result['env_id']}",
        "",
        "| seed | success, last step | 95 % interval | success, any step | return "
        "| random: last step | random: return | steps | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(run.result) for run in runs]
    lines += ["", f"![Periodic tests and evaluation]({name}.png)", "", "Commands:", ""]
    lines += ["```", *(portable(run.result["command"]) for run in runs), "```", ""]
    versions = runs[0].result["versions"]
    listed = ", ".join(f"{key} {value}" for key, value in versions.items())
    lines += [f"Made with: {listed}.", ""]
    return "\n".join(lines)


def _row(result: dict[str, Any]) -> str:
    def shown(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    interval = result["success_ci95"]
    cells = [
        str(result["seed"]),
        shown(result["success_last"]),
        "-" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}",
        shown(result["success_any"]),
        shown(result["return_mean"]),
        shown(result["random_success_last"]),
        shown(result["random_return_mean"]),
        str(result["env_steps"]),
        f"{result['wall_s']:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def portable(command: str) -> str:
    """Leave the places of one machine out of a command.

    Args:
        command: As in ``result.json``.

    Returns:
        The same, with what is below a folder ``runs`` told from there on, other folders
        as if they were in it, and other files by their names.
    """
    words = words_of(command)
    shown = [_portable_word(word) for word in words]
    return command if shown == words else shlex.join(shown)


def _portable_word(word: str) -> str:
    before, sign, place = word.rpartition("=")
    path = Path(place)
    if not path.is_absolute():
        return word
    if _RUNS in path.parts:
        last = max(at for at, part in enumerate(path.parts) if part == _RUNS)
        path = Path(*path.parts[last:])
    else:
        path = Path(path.name) if path.suffix else Path(_RUNS, path.name)
    return f"{before}{sign}{path}"


def run() -> None:
    """Read the command line, copy results, draw, write the page."""
    arguments = read_command_line(PublishArguments, __doc__)
    if not arguments.runs:
        raise RunFolderError("name at least one run folder")
    runs = sorted(
        (read_past_run(folder) for folder in arguments.runs),
        key=lambda finished: finished.result["seed"],
    )
    _check(runs)
    target = arguments.output / arguments.name
    figure = figure_of(runs)
    try:
        target.mkdir(parents=True, exist_ok=True)
        figure.savefig(target / f"{arguments.name}.png", dpi=100)
    except OSError as error:
        raise RunFolderError(f"cannot write to {target}: {error}") from error
    plt.close(figure)
    for finished in runs:
        told = finished.result | {"command": portable(finished.result["command"])}
        write_json(target / f"seed{told['seed']}.json", told)
    write_text(target / "index.md", page_of(arguments.name, runs))
    print(f"page            {target / 'index.md'}")


def _check(runs: list[PastRun]) -> None:
    """Each seed has one row and one file, and all are of what the title says."""
    one_task(runs)
    if found := same_seed(runs):
        a, b = found
        raise ConfigurationError(
            f"seed {a.result['seed']} is there twice: {a.folder} and {b.folder}"
        )


if __name__ == "__main__":
    main(run)
