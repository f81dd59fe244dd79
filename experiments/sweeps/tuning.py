"""Ray Tune searches and schedules. Imported only where a sweep is asked for: it needs Ray."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from experiments.sweeps.plan import SweepPlan
from experiments.sweeps.records import TrialRecord
from experiments.sweeps.trial import TrialRuns
from experiments.sweeps.tried import Tried

_LOOK_S = 1.0  # how long a trial may not hear that it shall stop
_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # run folders have all that
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ours lets checkpoints be written
    "RAY_AIR_NEW_OUTPUT": "0",  # it leads to its own files as to the results
}


@dataclass(frozen=True)
class Search:
    """How Ray Tune goes about it."""

    tried: Sequence[Tried]
    """What is tried."""
    samples: int
    """How often random values are drawn."""
    sample_seed: int
    """Seeds them."""
    metric: str | None
    """Entry of ``result.json`` that counts; ``None`` for the usual one."""
    n_at_once: int
    """Trials in progress at once."""
    n_cpus: int
    """Processors that each takes."""
    grace_env_steps: int | None
    """Environment steps before a trial may be stopped early; ``None`` lets all end."""
    total_env_steps: int
    """Environment steps of a run."""


class Trial(tune.Trainable):
    """The runs of a trial as Tune sees them."""

    def setup(  # type: ignore[override]  # with_parameters brings the others
        self, config: dict[str, Any], plan: SweepPlan, metric: str | None
    ) -> None:
        """Start them."""
        os.chdir(plan.here)  # Tune has gone elsewhere
        self.runs = TrialRuns(plan.runs_of(self.trial_name, config), metric)

    def step(self) -> dict[str, Any]:
        """Look after them for a moment."""
        progress = self.runs.wait(_LOOK_S)
        return {**asdict(progress), "done": progress.state != "running"}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Let them write their checkpoints; Tune waits for this, but not for a clean-up."""
        self.runs.stop()
        return {}

    def cleanup(self) -> None:
        """End what is still in progress."""
        self.runs.stop()


class Watch(tune.Callback):
    """Notes what becomes of trials, and says so."""

    def __init__(self, plan: SweepPlan):
        """Watch nothing yet.

        Args:
            plan: What a trial runs.
        """
        self.plan = plan
        self.records: dict[str, TrialRecord] = {}

    def on_trial_start(
        self, iteration: int, trials: list[Any], trial: Any, **info: Any
    ) -> None:
        """Note a new one."""
        self._note(TrialRecord.of(self.plan, str(trial), trial.config))

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Any],
        trial: Any,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        """Note how far one is."""
        self._note(self.records[str(trial)].after(result))

    def on_trial_complete(
        self, iteration: int, trials: list[Any], trial: Any, **info: Any
    ) -> None:
        """Note that one was stopped, if it did not end by itself."""
        self._note(self.records[str(trial)].stopped())

    def on_trial_error(
        self, iteration: int, trials: list[Any], trial: Any, **info: Any
    ) -> None:
        """Note that Ray has lost one."""
        self._note(self.records[str(trial)].lost())

    def _note(self, record: TrialRecord) -> None:
        before = self.records.get(record.name)
        self.records[record.name] = record
        if before is None or before.in_words() != record.in_words():
            print(f"{record.name}: {record.in_words()}", flush=True)


class Asked(tune.Stopper):
    """Stops trials at their next sign of life once we were asked to end."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.is_asked = False

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Tell whether a trial shall end."""
        return self.is_asked

    def stop_all(self) -> bool:
        """Never: this would not wait for checkpoints."""
        return False


def tune_trials(plan: SweepPlan, search: Search) -> tuple[list[TrialRecord], bool]:
    """Let Ray Tune run trials.

    Args:
        plan: What a trial runs.
        search: What is tried, and how.

    Returns:
        The trials that were started, and whether we were interrupted before the end.
    """
    os.environ.update(_SETTINGS)
    shutil.rmtree(plan.folder / "ray", ignore_errors=True)  # of a sweep that goes on
    generator = BasicVariantGenerator(
        max_concurrent=search.n_at_once, random_state=search.sample_seed
    )
    watch, asked = Watch(plan), Asked()

    def name(trial: Any) -> str:
        number = trial.trial_id.rpartition("_")[2]  # Tune counts them: 7f2c1_00003
        return plan.name_of(int(number), trial.config)

    trainable = tune.with_parameters(Trial, plan=plan, metric=search.metric)
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": search.n_cpus}),
        param_space={each.name: each.domain(tune) for each in search.tried},
        tune_config=tune.TuneConfig(
            metric="score",
            mode="max",
            search_alg=generator,
            num_samples=search.samples,
            scheduler=_scheduler(search),
            trial_name_creator=name,
            trial_dirname_creator=name,
        ),
        run_config=tune.RunConfig(
            name="ray",
            storage_path=str(plan.folder.resolve()),
            stop=asked,
            callbacks=[watch],
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=True),
        ),
    )
    with _interruptible(asked, generator):
        tuner.fit()
    return list(watch.records.values()), asked.is_asked


def _scheduler(search: Search) -> TrialScheduler:
    if search.grace_env_steps is None:
        return FIFOScheduler()
    return ASHAScheduler(
        time_attr="env_steps",
        max_t=search.total_env_steps,
        grace_period=search.grace_env_steps,
        stop_last_trials=False,  # who comes to the end is evaluated
    )


@contextmanager
def _interruptible(asked: Asked, generator: BasicVariantGenerator) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the sweep in order; a second time at once."""

    def interrupt(*_: object) -> None:
        if asked.is_asked:
            raise KeyboardInterrupt
        asked.is_asked = True
        generator.set_finished()  # nothing new is started
        print("waiting for checkpoints; Ctrl-C kills them", file=sys.stderr)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
