"""Try values of an experiment's arguments: a sweep, searched and scheduled by Ray Tune."""

import importlib
import shutil
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.programs.program import cores, without_flags
from experiments.reports.comparison import METRICS, MetricName, usual_metric
from experiments.running.arguments import RunArguments
from experiments.running.command_line import (
    command_line,
    parse_program,
    read_command_line,
)
from experiments.running.past_runs import read_past_run
from experiments.running.run_folder import run_parent, versions, write_json
from experiments.running.training import EXIT_ERROR, main
from experiments.sweeps.plan import SweepPlan
from experiments.sweeps.planning import plan_sweep
from experiments.sweeps.records import TrialRecord, plain, ranked, table_of
from experiments.sweeps.tried import Tried, parse_tried
from experiments.trained.rebuilding import EXPERIMENTS
from layeredrl.collectors.remote import RayRuntime, import_ray
from layeredrl.errors import ConfigurationError, RunFolderError

_FLAGS = (
    "try",
    "samples",
    "sample-seed",
    "seeds",
    "at-once",
    "metric",
    "stop-early",
    "grace-env-steps",
)


@dataclass(frozen=True)
class SweepArguments:
    """What is tried, and how."""

    try_: Annotated[tuple[str, ...], tyro.conf.arg(name="try")] = ()
    """``NAME=VALUE,VALUE`` for values in turn, all with all; ``NAME~uniform(LOW,HIGH)``,
    ``loguniform``, ``randint`` (below HIGH) or ``choice(VALUE,VALUE)`` for random ones. NAME is
    an argument of the experiment, or an entry of one, as ``learner_options.lr``."""
    samples: int = 1
    """How often random values are drawn; values in turn are all tried each time."""
    sample_seed: int = 0
    """Seeds random values."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of each trial; they run side by side, and their mean counts."""
    at_once: int | None = None
    """Trials at once; by default cores / (torch threads x seeds)."""
    metric: MetricName | None = None
    """What counts; by default success at the last step where the environment has one, else
    the return."""
    stop_early: bool = False
    """Whether trials whose tests lag behind are stopped (ASHA)."""
    grace_env_steps: int | None = None
    """Environment steps before a trial may be stopped early; by default those to its first
    test."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigurationError(f"seeds must be different, got {[*self.seeds]}")
        counts = {
            "samples": self.samples,
            "at_once": self.at_once,
            "grace_env_steps": self.grace_env_steps,
        }
        for name, value in counts.items():
            if value is not None and value < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {value}")
        if self.grace_env_steps is not None and not self.stop_early:
            raise ConfigurationError("--grace-env-steps needs --stop-early")


@dataclass(frozen=True)
class _Chosen:
    """Takes all flags of the experiment, and its own; see ``EXPERIMENT --help``."""

    experiment: Annotated[Literal[tuple(EXPERIMENTS)], tyro.conf.Positional]  # type: ignore[valid-type]
    """What is run."""


def run() -> None:
    """Read the command line, run the trials, write down and print what came of them."""
    words = sys.argv[1:]
    if not words or words[0] not in EXPERIMENTS:
        read_command_line(_Chosen, __doc__, words[:1])
    experiment = words.pop(0)
    presets = importlib.import_module(f"experiments.{experiment}").PRESETS
    sweep, arguments = parse_program(
        EXPERIMENTS[experiment][0], presets, str(__doc__), SweepArguments(), words
    )
    tried = parse_tried(sweep.try_)
    _check(sweep, arguments, tried)
    parent = run_parent(f"sweep-{experiment}", arguments.env_id)
    plan = plan_sweep(
        experiment,
        arguments,
        presets,
        tried,
        without_flags(words, _FLAGS),
        seeds=sweep.seeds,
        folder=arguments.run_dir or parent,
    )
    import_ray("ray.tune")
    _prepare(plan.folder, arguments)
    records, is_interrupted = _tune(plan, sweep, arguments, tried)
    _report(plan, sweep, arguments, records)
    if is_interrupted:
        raise KeyboardInterrupt
    if any(record.state == "failed" for record in records):
        sys.exit(EXIT_ERROR)


def _check(
    sweep: SweepArguments, arguments: RunArguments, tried: Sequence[Tried]
) -> None:
    if arguments.workers:
        raise ConfigurationError("trials run side by side, without --workers")
    if sweep.samples > 1 and not any(each.is_random for each in tried):
        raise ConfigurationError(
            "--samples draws random values, but none are tried; --seeds repeats trials"
        )
    if not sweep.stop_early:
        return
    if not arguments.test_interval:
        raise ConfigurationError("--stop-early needs tests, but test_interval is 0")
    grace = sweep.grace_env_steps or arguments.test_interval
    if grace > arguments.total_env_steps:
        raise ConfigurationError(
            f"nothing can be stopped early: the first {grace} environment steps are "
            f"for free, and there are {arguments.total_env_steps}"
        )


def _prepare(folder: Path, arguments: RunArguments) -> None:
    """Refuse to mix sweeps, as runs do."""
    try:
        if folder.exists() and any(folder.iterdir()) and not arguments.resume:
            if not arguments.overwrite:
                raise RunFolderError(
                    f"{folder} holds something already; --resume goes on with a sweep, "
                    "--overwrite empties it, another --run-dir leaves it"
                )
            if not (folder / "ray").exists():
                raise RunFolderError(
                    f"{folder} holds something else than a sweep; it is not emptied"
                )
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except RunFolderError:
        raise
    except OSError as error:
        raise RunFolderError(f"cannot write the folder {folder}: {error}") from error


def _tune(
    plan: SweepPlan,
    sweep: SweepArguments,
    arguments: RunArguments,
    tried: Sequence[Tried],
) -> tuple[list[TrialRecord], bool]:
    from experiments.sweeps.tuning import Search, tune_trials  # needs Ray

    n_cpus = arguments.torch_threads * len(sweep.seeds)
    n_at_once = sweep.at_once or cores() // n_cpus or 1
    with closing(RayRuntime(n_at_once * n_cpus)) as runtime:
        grace = sweep.grace_env_steps or arguments.test_interval
        search = Search(
            tried,
            samples=sweep.samples,
            sample_seed=sweep.sample_seed,
            metric=METRICS[sweep.metric] if sweep.metric else None,
            n_at_once=sweep.at_once or runtime.n_cpus // n_cpus,
            n_cpus=n_cpus,
            grace_env_steps=grace if sweep.stop_early else None,
            total_env_steps=arguments.total_env_steps,
        )
        return tune_trials(plan, search)


def _report(
    plan: SweepPlan,
    sweep: SweepArguments,
    arguments: RunArguments,
    records: Sequence[TrialRecord],
) -> None:
    metric = METRICS[sweep.metric] if sweep.metric else None
    done = [record for record in records if record.state == "finished"]
    if metric is None and done:
        run_folder = done[0].folder / f"seed{sweep.seeds[0]}"
        metric = usual_metric([read_past_run(run_folder)])
    content = {
        "experiment": plan.experiment,
        "env_id": arguments.env_id,
        "metric": metric,
        "seeds": [*sweep.seeds],
        "trials": [plain(record) for record in ranked(records)],
        "versions": versions(),
        "command": command_line(),
    }
    write_json(plan.folder / "sweep.json", content)
    task = " ".join([arguments.env_id, *arguments.env_kwargs])
    print(table_of(records, metric or "no score", task))
    print(f"\nsweep           {plan.folder / 'sweep.json'}")


if __name__ == "__main__":
    main(run)
