"""The learning curve."""

import json
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from experiments.figures.album import Album
from experiments.figures.style import ACTUAL, GOAL
from experiments.running.training import TrainedRun


def draw_learning_curve(run: TrainedRun) -> None:
    """Draw the learning curve into the run folder and TensorBoard.

    Args:
        run: A finished run.
    """
    curve = learning_curve_figure(run.folder.metrics_path, run.result)
    Album.of_run(run).add("learning_curve", curve)


def learning_curve_figure(metrics_path: Path, result: dict[str, Any]) -> Figure | None:
    """Draw the periodic tests over environment steps, with the random floor.

    Args:
        metrics_path: The run's ``metrics.jsonl``.
        result: The run's ``result.json``.

    Returns:
        Success where the environment has one, else return; ``None`` without tests.
    """
    lines = [json.loads(line) for line in metrics_path.read_text().splitlines()]
    name = "success_last" if result["success_last"] is not None else "return_mean"
    points = [
        (line["env_steps"], line[f"test/{name}"])
        for line in lines
        if f"test/{name}" in line
    ]
    if not points:
        return None
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    axes.plot(*zip(*points, strict=True), "o-", color=ACTUAL, label="periodic tests")
    axes.plot(
        result["env_steps"], result[name], "*", ms=14, color=GOAL, label="evaluation"
    )
    axes.axhline(result[f"random_{name}"], color="gray", ls=":", label="random actions")
    axes.set(xlabel="environment steps", ylabel=name.replace("_", " "))
    axes.legend(frameon=False, fontsize=8)
    return figure
