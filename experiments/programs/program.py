"""Experiments as programs: one run, or one per seed side by side."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from experiments.programs.seed_runs import ProcessRun, SeedRun, StartedRun, run_in_turn
from experiments.programs.seed_tasks import TaskRun
from experiments.reports.comparison import compare
from experiments.reports.page import table_of
from experiments.running.arguments import LaunchArguments, RunArguments
from experiments.running.command_line import parse_program
from experiments.running.past_runs import PastRun, read_past_run
from experiments.running.run_folder import run_parent
from experiments.running.training import EXIT_ERROR
from layeredrl.collectors.remote import RayRuntime
from layeredrl.errors import ConfigurationError

A = TypeVar("A", bound=RunArguments)

# Flags that each run of several has a value of its own for, or that only we understand.
_OURS = ("seeds", "seed", "at-once", "engine", "run-dir")


def run_program(
    experiment: str,
    kind: type[A],
    presets: Mapping[str, A],
    description: str,
    run_one: Callable[[A], object],
) -> None:
    """Read the command line and run what it asks for.

    Several seeds are several processes, each started as if by hand with its ``--seed``: their
    results are the same to the digit.

    Args:
        experiment: Name of the experiment.
        kind: The dataclass of its arguments.
        presets: Defaults by name.
        description: Shown by ``--help``.
        run_one: Runs one seed in this process.

    Raises:
        ConfigurationError: If there is no such preset, or ``--seed`` is given with
            ``--seeds``, or flags do not fit the engine.
        MissingExtraError: If the engine is not installed.
        SystemExit: If one of several seeds failed.
    """
    launch, arguments = parse_program(kind, presets, description, LaunchArguments())
    words = sys.argv[1:]
    _check(launch, arguments, words)
    if not launch.seeds:
        run_one(arguments)
        return
    runs = plan_runs(experiment, launch.seeds, arguments, words)
    with _starter(launch, arguments) as (start, n_at_once):
        codes = run_in_turn(runs, n_at_once, arguments.total_env_steps, start)
    print(summary_of(runs, codes))
    if any(codes.values()):
        sys.exit(EXIT_ERROR)


def _check(
    launch: LaunchArguments, arguments: RunArguments, words: Sequence[str]
) -> None:
    if launch.seeds and has_flag(words, "seed"):
        raise ConfigurationError("there is --seed and --seeds; give one of them")
    if launch.seeds and arguments.workers:
        raise ConfigurationError(
            "either --seeds run side by side, or --workers collect for one of them"
        )
    if arguments.workers and launch.engine == "local":
        raise ConfigurationError("--workers need --engine ray")
    if launch.engine == "ray" and not launch.seeds and not arguments.workers:
        raise ConfigurationError("--engine ray needs --seeds or --workers")


@contextmanager
def _starter(
    launch: LaunchArguments, arguments: RunArguments
) -> Iterator[tuple[Callable[[SeedRun], StartedRun], int]]:
    """What starts runs, and how many at once."""
    n_cpus = arguments.torch_threads
    n_at_once = launch.at_once or cores() // n_cpus or 1
    if launch.engine == "local":
        yield ProcessRun, n_at_once
        return
    with closing(RayRuntime(n_at_once * n_cpus)) as runtime:
        there = launch.at_once or runtime.n_cpus // n_cpus
        yield lambda run: TaskRun(run, runtime, n_cpus), there


def plan_runs(
    experiment: str, seeds: Sequence[int], arguments: RunArguments, words: Sequence[str]
) -> list[SeedRun]:
    """Lay out what is started for each seed.

    Args:
        experiment: Name of the experiment.
        seeds: Seeds of the runs.
        arguments: What the command line says.
        words: The command line.

    Returns:
        One run per seed, with its own folder and an empty log beside it, or the log to go on
        with.
    """
    parent = arguments.run_dir or run_parent(experiment, arguments.env_id)
    kept = without_flags(words, _OURS)
    runs = []
    for seed in seeds:
        run = SeedRun.within(
            parent, seed, (*_program(), *kept), arguments.run_dir is not None
        )
        if not arguments.resume:
            run.log.unlink(missing_ok=True)
        runs.append(run)
    return runs


def summary_of(runs: Sequence[SeedRun], codes: Mapping[int, int]) -> str:
    """Write down what came out, and what failed.

    Args:
        runs: The runs.
        codes: Their exit codes by seed.

    Returns:
        A table over seeds, and the failed ones with their last words.
    """
    done = [read_past_run(run.folder) for run in runs if codes[run.seed] == 0]
    lines = ["", *_seed_table(done)] if done else []
    failed = [run for run in runs if codes[run.seed]]
    for run in failed:
        lines.append(f"seed {run.seed} failed: {run.last_words()} (see {run.log})")
    if failed:
        lines.append(f"failed seeds: {' '.join(str(run.seed) for run in failed)}")
    return "\n".join(lines)


def _seed_table(done: Sequence[PastRun]) -> list[str]:
    comparison = compare(done)
    scores = [run.score(comparison.metric) for run in done]
    lines = [f"{comparison.task}, {comparison.metric}", ""]
    for run, score in zip(done, scores, strict=True):
        minutes = run.result["wall_s"] / 60.0
        where = f"{score:>10.2f}{minutes:>8.1f} min  {run.folder}"
        lines.append(f"seed {run.result['seed']:<6}{where}")
    return [*lines, "", *table_of(comparison), ""]


def cores() -> int:
    """Count the processor cores that this process may use.

    Returns:
        Their number, at least 1.
    """
    if hasattr(os, "sched_getaffinity"):  # not on every platform
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_flag(words: Sequence[str], name: str) -> bool:
    """Tell whether a flag was given.

    Args:
        words: A command line.
        name: The flag, without dashes.

    Returns:
        Whether it is there, as ``--name`` or ``--name=value``.
    """
    return any(_flag_of(word) == name for word in words)


def without_flags(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """Leave flags out, with their values.

    Args:
        words: A command line without positional arguments.
        names: The flags, without dashes.

    Returns:
        All other words.
    """
    kept, is_kept = [], True
    for word in words:
        if word.startswith("--"):
            is_kept = _flag_of(word) not in names
        if is_kept:
            kept.append(word)
    return kept


def _flag_of(word: str) -> str | None:
    if not word.startswith("--"):
        return None
    return word[2:].partition("=")[0].replace("_", "-")


def _program() -> list[str]:
    """What started us: a module, or a file."""
    module = sys.modules["__main__"].__spec__
    what = ["-m", module.name] if module is not None else [str(Path(sys.argv[0]))]
    return [sys.executable, *what]
