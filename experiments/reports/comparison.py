"""Methods on one task: runs grouped by what their arguments say, with statistics over seeds."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments.reports.statistics import (
    AGGREGATES,
    Estimate,
    common_curve,
    estimate,
    improvement,
    interval_of,
    iqm,
)
from experiments.running.past_runs import PastRun, preset_in, same_seed
from layeredrl.errors import ConfigurationError

MetricName = Literal["success_last", "success_any", "return"]
METRICS: dict[MetricName, str] = {
    "success_last": "success_last",
    "success_any": "success_any",
    "return": "return_mean",
}


@dataclass(frozen=True)
class Curve:
    """A learning curve over the seeds of a method."""

    env_steps: np.ndarray
    """Environment steps (T,)."""
    scores: np.ndarray
    """Score of each test (T, S)."""
    middle: np.ndarray
    """IQM over seeds (T,)."""
    interval: tuple[np.ndarray, np.ndarray] | None
    """Bounds of its interval, (T,) each."""


@dataclass(frozen=True)
class Method:
    """Runs of one method, one per seed."""

    label: str
    """How it is called."""
    runs: tuple[PastRun, ...]
    """By seed."""
    scores: np.ndarray
    """Evaluation of each seed (S,)."""
    estimates: dict[str, Estimate]
    """IQM, median and mean."""
    curve: Curve | None
    """Its periodic tests; ``None`` where there were none."""

    @property
    def seeds(self) -> list[int]:
        """Seeds of the runs."""
        return [run.result["seed"] for run in self.runs]


@dataclass(frozen=True)
class Comparison:
    """What a report shows."""

    task: str
    """The environment with its arguments."""
    metric: str
    """Entry of ``result.json`` that is compared."""
    methods: tuple[Method, ...]
    """In the order in which they were named."""
    floor: float | None
    """Mean of the random policy over all runs."""

    def improvements(self) -> list[tuple[Method, Method, Estimate]]:
        """Compare all pairs.

        Returns:
            Two methods, and the probability that the first beats the second.
        """
        pairs = combinations(self.methods, 2)
        return [(a, b, improvement(a.scores, b.scores)) for a, b in pairs]


def compare(
    runs: Sequence[PastRun],
    metric: MetricName | None = None,
    labels: Sequence[str] = (),
) -> Comparison:
    """Group runs of one task by method.

    Args:
        runs: The runs.
        metric: What counts; ``None`` for success at the last step where the environment
            speaks of success, else the return.
        labels: ``NAME=FOLDER``: runs in that folder, or that it is a pattern of, are one
            method of that name.

    Returns:
        Statistics over the seeds of each method.

    Raises:
        ConfigurationError: If runs are of different tasks, the task has no such metric, a
            seed counts twice, or a label fits no run.
    """
    task = one_task(runs)
    key = METRICS[metric] if metric is not None else usual_metric(runs)
    lacking = [str(run.folder) for run in runs if run.score(key) is None]
    if lacking:
        raise ConfigurationError(
            f"{task} has no {metric or key}: there is none in {lacking[0]}"
        )
    groups = _groups(runs, labels)
    methods = tuple(_method(name, members, key) for name, members in groups.items())
    floors = [run.score(f"random_{key}") for run in runs]
    known = [floor for floor in floors if floor is not None]
    return Comparison(task, key, methods, float(np.mean(known)) if known else None)


def usual_metric(runs: Sequence[PastRun]) -> str:
    """Pick the number that tells how well runs do.

    Args:
        runs: Runs of one task.

    Returns:
        Success at the last step where the environment speaks of it, else the return: an
        entry of ``result.json``.
    """
    knows_success = all(run.score("success_last") is not None for run in runs)
    return "success_last" if knows_success else "return_mean"


def one_task(runs: Sequence[PastRun]) -> str:
    """Tell what all runs are of.

    Args:
        runs: Runs, at least one.

    Returns:
        The environment with its arguments.

    Raises:
        ConfigurationError: If they are of different tasks.
    """
    tasks: dict[str, Path] = {}
    for run in runs:
        tasks.setdefault(run.task, run.folder)
    if len(tasks) > 1:
        listed = "; ".join(f"{task} in {folder}" for task, folder in tasks.items())
        raise ConfigurationError(
            f"these runs are of {len(tasks)} tasks, only those of one go together: "
            f"{listed}"
        )
    return next(iter(tasks))


def _groups(runs: Sequence[PastRun], labels: Sequence[str]) -> dict[str, list[PastRun]]:
    chosen = _chosen_labels(runs, labels)
    named: dict[str, list[PastRun]] = {}
    alike: list[list[PastRun]] = []
    for run in runs:
        if run.folder in chosen:
            named.setdefault(chosen[run.folder], []).append(run)
            continue
        group = next((g for g in alike if _is_same_method(g[0], run)), None)
        if group is None:
            alike.append([run])
        else:
            group.append(run)
    names = _names(alike)
    for name, group in zip(names, alike, strict=True):
        named.setdefault(name, []).extend(group)
    return named


def _chosen_labels(runs: Sequence[PastRun], labels: Sequence[str]) -> dict[Path, str]:
    chosen: dict[Path, str] = {}
    for entry in labels:
        name, sign, place = entry.partition("=")
        if not sign or not name or not place:
            raise ConfigurationError(f"labels are written NAME=FOLDER, got {entry!r}")
        fitting = [run.folder for run in runs if _lies_in(run.folder, place)]
        if not fitting:
            raise ConfigurationError(f"the label {entry!r} fits none of the runs")
        chosen |= dict.fromkeys(fitting, name)
    return chosen


def _lies_in(folder: Path, place: str) -> bool:
    own, asked = folder.resolve(), Path(place).resolve()
    return own.is_relative_to(asked) or fnmatch.fnmatch(str(own), str(asked))


def _is_same_method(a: PastRun, b: PastRun) -> bool:
    """Arguments that only one of them has were added between the runs."""
    mine, other = a.method(), b.method()
    shared = mine.keys() & other.keys()
    is_same = all(mine[name] == other[name] for name in shared)
    return a.experiment == b.experiment and is_same


def _names(groups: list[list[PastRun]]) -> list[str]:
    """The first way to name them that tells all apart."""
    heads = [group[0] for group in groups]
    ways = (_short_name, _long_name, _folder_name)
    for way in ways:
        names = [way(head) for head in heads]
        if len(set(names)) == len(names):
            return names
    return [str(head.folder) for head in heads]


def _short_name(run: PastRun) -> str:
    preset = preset_in(run.result.get("command", ""))
    return preset or run.arguments.get("learner") or _folder_name(run)


def _long_name(run: PastRun) -> str:
    return f"{run.experiment or 'run'} {_short_name(run)}"


def _folder_name(run: PastRun) -> str:
    folder = run.folder.resolve()
    return folder.parent.name if folder.name.startswith("seed") else folder.name


def _method(label: str, runs: list[PastRun], metric: str) -> Method:
    runs = sorted(runs, key=lambda run: run.result["seed"])
    if found := same_seed(runs):
        a, b = found
        raise ConfigurationError(
            f"seed {a.result['seed']} of {label} would count twice: {a.folder} and "
            f"{b.folder}; --label tells methods apart"
        )
    scores = np.array([run.score(metric) for run in runs], dtype=float)
    estimates = {name: estimate(scores, way) for name, way in AGGREGATES.items()}
    return Method(label, tuple(runs), scores, estimates, _curve(runs, metric))


def _curve(runs: list[PastRun], metric: str) -> Curve | None:
    common = common_curve([run.curve(metric) for run in runs])
    if common is None:
        return None
    steps, scores = common
    return Curve(steps, scores, iqm(scores), interval_of((scores,), iqm))


def plain(comparison: Comparison) -> dict[str, Any]:
    """Write a comparison down for ``report.json``.

    Args:
        comparison: The comparison.

    Returns:
        Plain values by name.
    """
    return {
        "task": comparison.task,
        "metric": comparison.metric,
        "random": comparison.floor,
        "methods": [_plain_method(method) for method in comparison.methods],
        "improvements": [
            {"better": a.label, "than": b.label, **_plain_estimate(found)}
            for a, b, found in comparison.improvements()
        ],
    }


def _plain_method(method: Method) -> dict[str, Any]:
    curve = method.curve
    estimates = method.estimates.items()
    return {
        "label": method.label,
        "folders": [str(run.folder) for run in method.runs],
        "seeds": method.seeds,
        "scores": method.scores.tolist(),
        "env_steps": [run.result["env_steps"] for run in method.runs],
        "wall_s": [run.result["wall_s"] for run in method.runs],
        **{name: _plain_estimate(found) for name, found in estimates},
        "curve": curve
        and {
            "env_steps": curve.env_steps.tolist(),
            "iqm": curve.middle.tolist(),
            "ci95": curve.interval and [bound.tolist() for bound in curve.interval],
        },
    }


def _plain_estimate(found: Estimate) -> dict[str, Any]:
    return {"value": found.value, "ci95": found.interval and list(found.interval)}
