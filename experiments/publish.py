"""Put finished runs of one task, one per seed, beside the documentation."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import matplotlib

matplotlib.use("Agg")

import numpy as np  # noqa: E402
import tyro  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from experiments.training import main  # noqa: E402
from layeredrl.errors import RunFolderError  # noqa: E402


@dataclass(frozen=True)
class PublishArguments:
    """Which runs, and under which name."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders, one per seed."""
    name: str
    """Name of the result."""
    output: Path = Path("docs/results")
    """Where results are kept."""


@dataclass(frozen=True)
class FinishedRun:
    """What is read from a run folder."""

    folder: Path
    """The folder."""
    result: dict[str, Any]
    """Its ``result.json``."""
    curve: list[tuple[int, float]]
    """Environment steps and the measure of each periodic test."""


def read_run(folder: Path) -> FinishedRun:
    """Read a run folder.

    Args:
        folder: The folder.

    Returns:
        The run.

    Raises:
        RunFolderError: If the run did not finish.
    """
    try:
        result = json.loads((folder / "result.json").read_text())
        lines = (folder / "metrics.jsonl").read_text().splitlines()
    except OSError as error:
        raise RunFolderError(f"{folder} holds no finished run: {error}") from error
    key = f"test/{measure_of(result)}"
    metrics = [json.loads(line) for line in lines]
    curve = [(line["env_steps"], line[key]) for line in metrics if key in line]
    return FinishedRun(folder, result, curve)


def measure_of(result: dict[str, Any]) -> str:
    """Pick the number that tells success.

    Args:
        result: A run's ``result.json``.

    Returns:
        Success at the last step where the environment says so, else the return.
    """
    return "return_mean" if result["success_last"] is None else "success_last"


def figure_of(runs: list[FinishedRun]) -> Figure:
    """Draw every seed's periodic tests and evaluation, with the random floor.

    Args:
        runs: Runs of one task.

    Returns:
        The figure.
    """
    measure = measure_of(runs[0].result)
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for i, run in enumerate(runs):
        color, seed = plt.colormaps["viridis"](0.2 + 0.25 * i), run.result["seed"]
        if run.curve:
            axes.plot(*zip(*run.curve, strict=True), "o-", color=color, ms=3, lw=1.2)
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


def page_of(name: str, runs: list[FinishedRun]) -> str:
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
    lines += ["```", *(run.result["command"] for run in runs), "```", ""]
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


def run() -> None:
    """Read the command line, copy results, draw, write the page."""
    arguments = tyro.cli(PublishArguments, description=__doc__)
    if not arguments.runs:
        raise RunFolderError("name at least one run folder")
    runs = sorted(
        (read_run(folder) for folder in arguments.runs),
        key=lambda finished: finished.result["seed"],
    )
    target = arguments.output / arguments.name
    target.mkdir(parents=True, exist_ok=True)
    for finished in runs:
        seed = finished.result["seed"]
        shutil.copy(finished.folder / "result.json", target / f"seed{seed}.json")
    figure = figure_of(runs)
    figure.savefig(target / f"{arguments.name}.png", dpi=100)
    plt.close(figure)
    page = page_of(arguments.name, runs)
    (target / "index.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(run)
