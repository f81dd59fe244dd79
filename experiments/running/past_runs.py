"""What run folders say of themselves: experiment, preset, arguments, results."""

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from layeredrl.errors import RunFolderError

# How a run is started, written down and measured makes it no other method.
NOT_THE_METHOD = {
    "experiment",  # told in its own way, as older runs know it from their command alone
    "seed",
    "run_dir",
    "overwrite",
    "resume",
    "force",
    "device",
    "torch_threads",
    "checkpoint_interval",
    "log_interval",
    "test_interval",
    "n_test_episodes",
    "n_eval_episodes",
    "n_eval_envs",
}
_PACKAGE = "experiments."


@dataclass(frozen=True)
class PastRun:
    """A finished run, as its folder tells it."""

    folder: Path
    """The folder."""
    arguments: dict[str, Any]
    """Its ``args.json``."""
    result: dict[str, Any]
    """Its ``result.json``."""
    metrics: list[dict[str, Any]]
    """Lines of its ``metrics.jsonl``."""

    @property
    def task(self) -> str:
        """The environment and its arguments, as evaluated."""
        return " ".join([self.result["env_id"], *self.arguments.get("env_kwargs", [])])

    @property
    def experiment(self) -> str | None:
        """Name of the experiment, where the arguments or the command tell."""
        return experiment_of(self.arguments, self.result)

    def method(self) -> dict[str, Any]:
        """Tell what was done.

        Returns:
            The arguments that make the method, by name.
        """
        return {
            name: value
            for name, value in self.arguments.items()
            if name not in NOT_THE_METHOD
        }

    def score(self, metric: str) -> float | None:
        """Look the evaluation up.

        Args:
            metric: Entry of ``result.json``.

        Returns:
            Its value; ``None`` if the task has none.
        """
        value = self.result.get(metric)
        return None if value is None else float(value)

    def curve(self, metric: str) -> list[tuple[int, float]]:
        """Collect the periodic tests.

        Args:
            metric: What was measured.

        Returns:
            Environment steps and value of each test.
        """
        key = f"test/{metric}"
        return [(line["env_steps"], line[key]) for line in self.metrics if key in line]


def read_past_run(folder: Path) -> PastRun:
    """Read a run folder.

    Args:
        folder: The folder.

    Returns:
        The run.

    Raises:
        RunFolderError: If the run has no results, or its files cannot be read.
    """
    arguments = read_json(folder / "args.json")
    result = read_json(folder / "result.json")
    try:
        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return PastRun(folder, arguments, result, [json.loads(x) for x in lines])
    except (OSError, ValueError) as error:
        raise RunFolderError(f"cannot read the metrics in {folder}: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read one of a run folder's files.

    Args:
        path: The file.

    Returns:
        Plain values by name.

    Raises:
        RunFolderError: If it is not there, or is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunFolderError(
            f"{path.parent} holds no finished run: it has no {path.name}"
        ) from error
    except (OSError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise RunFolderError(f"{path} holds {type(content).__name__}, not names")
    return content


def find_run_folders(places: Sequence[Path]) -> list[Path]:
    """Find the run folders that are meant.

    Args:
        places: Run folders, folders of run folders, or patterns of either.

    Returns:
        Run folders, each once.

    Raises:
        RunFolderError: If a place does not exist, or there is no run in it.
    """
    found: dict[Path, Path] = {}
    for place in places:
        for run in _below(place) if place.is_dir() else _fitting(place):
            found.setdefault(run.resolve(), run)
    if not found:
        raise RunFolderError("name at least one run folder")
    return list(found.values())


def _below(folder: Path) -> list[Path]:
    if (folder / "args.json").exists():
        return [folder]
    runs = sorted(path.parent for path in folder.rglob("args.json"))
    if not runs and not (folder / "report.json").exists():  # it may lie among the runs
        raise RunFolderError(f"{folder} holds no run: no args.json is in it")
    return runs


def _fitting(pattern: Path) -> list[Path]:
    if not any(sign in str(pattern) for sign in "*?["):
        raise RunFolderError(f"there is no folder {pattern}")
    anchor = Path(pattern.anchor)
    fitting = sorted(anchor.glob(str(pattern.relative_to(anchor))))
    # "**" is the folder itself, too.
    runs = [path.parent for p in fitting for path in sorted(p.glob("**/args.json"))]
    if not runs:
        raise RunFolderError(f"there is no run folder that fits {pattern}")
    return runs


def experiment_of(arguments: dict[str, Any], result: dict[str, Any]) -> str | None:
    """Read the name of a run's experiment.

    Args:
        arguments: Its ``args.json``; older ones do not tell.
        result: Its ``result.json``, whose command tells, too; empty if there is none yet.

    Returns:
        For example ``flat``; ``None`` if neither tells.
    """
    if "experiment" in arguments:
        return str(arguments["experiment"])
    after = _word_after("-m", result.get("command", ""))
    if after is None or not after.startswith(_PACKAGE):
        return None
    return after.removeprefix(_PACKAGE)


def preset_in(command: str) -> str | None:
    """Read the name of the preset from the command that started a run.

    Args:
        command: As in ``result.json``.

    Returns:
        The name; ``None`` if there was none.
    """
    return _word_after("--preset", command)


def words_of(command: str) -> list[str]:
    """Split the command that started a run.

    Args:
        command: As in ``result.json``.

    Returns:
        Its words.
    """
    try:
        return shlex.split(command)
    except ValueError:  # words were joined by blanks, quotes of the shell are gone
        return command.split()


def same_seed(runs: Iterable[PastRun]) -> tuple[PastRun, PastRun] | None:
    """Find two runs of one seed.

    Args:
        runs: Runs in any order.

    Returns:
        The first two; ``None`` if every seed is there once.
    """
    ordered = sorted(runs, key=lambda run: run.result["seed"])
    for a, b in pairwise(ordered):
        if a.result["seed"] == b.result["seed"]:
            return a, b
    return None


def _word_after(name: str, command: str) -> str | None:
    words = words_of(command)
    for at, word in enumerate(words, 1):
        flag, has_value, value = word.partition("=")
        if flag == name:
            return value if has_value else next(iter(words[at:]), None)
    return None
