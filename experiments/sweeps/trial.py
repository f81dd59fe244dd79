"""The runs of one trial, side by side, and how far they are."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any, Literal

from experiments.programs.seed_runs import POLL_S, ProcessRun, SeedRun, StartedRun
from experiments.running.past_runs import read_json
from layeredrl.errors import ConfigurationError, LayeredRLError

State = Literal["running", "finished", "failed"]
_USUAL = ("success_last", "return_mean")


@dataclass(frozen=True)
class Progress:
    """How far a trial is."""

    state: State
    """Whether it goes on, or how it ended."""
    env_steps: int = 0
    """Environment steps at which the score was taken."""
    score: float = float("nan")
    """Mean over seeds of the last test that all have had, in the end of the evaluations; not
    a number before the first one."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Final evaluations by seed."""
    why: str = ""
    """Why it failed."""


class TrialRuns:
    """The runs of one trial: one process per seed, all at once."""

    def __init__(
        self,
        runs: Sequence[SeedRun],
        metric: str | None,
        start: Callable[[SeedRun], StartedRun] = ProcessRun,
    ):
        """Start them.

        Args:
            runs: One per seed.
            metric: Entry of ``result.json`` that counts; ``None`` for the usual one.
            start: Starts a run.
        """
        self._runs = runs
        self._metric = metric
        self._n_tests = 0
        self._started = [start(run) for run in runs]
        self._progress = Progress("running")

    def look(self) -> Progress:
        """Look up how far they are, one test further at most.

        Returns:
            The progress. One failed run is enough for the trial to have failed.
        """
        codes = [started.exit_code() for started in self._started]
        try:
            self._progress = self._next_test()
            if any(codes):
                return self._failed(self._last_words(codes))
            if None in codes:
                return self._progress
            results = [read_json(run.folder / "result.json") for run in self._runs]
            scores = {
                str(run.seed): score_in(result, self._metric)
                for run, result in zip(self._runs, results, strict=True)
            }
        except LayeredRLError as error:
            return self._failed(str(error))
        env_steps = max(result["env_steps"] for result in results)
        return Progress("finished", env_steps, fmean(scores.values()), scores)

    def wait(self, seconds: float) -> Progress:
        """Wait for something to happen.

        Args:
            seconds: For how long at most.

        Returns:
            As :meth:`look`.
        """
        before, end = self._progress, time.monotonic() + seconds
        while True:
            now = self.look()
            if now.state != "running" or now.env_steps != before.env_steps:
                return now
            if time.monotonic() > end:
                return now
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Interrupt those in progress and wait for their checkpoints."""
        going = [run for run in self._started if run.exit_code() is None]
        for run in going:
            run.interrupt()
        while any(run.exit_code() is None for run in going):
            time.sleep(POLL_S)

    def _failed(self, why: str) -> Progress:
        return replace(self._progress, state="failed", why=why)

    def _last_words(self, codes: Sequence[int | None]) -> str:
        return "; ".join(
            f"seed {run.seed}: {run.last_words()} (see {run.log})"
            for run, code in zip(self._runs, codes, strict=True)
            if code
        )

    def _next_test(self) -> Progress:
        tests = [tests_of(run) for run in self._runs]
        if min(len(own) for own in tests) <= self._n_tests:
            return self._progress
        lines = [own[self._n_tests] for own in tests]
        self._n_tests += 1
        scores = [score_in(line, self._metric, prefix="test/") for line in lines]
        env_steps = max(line["env_steps"] for line in lines)
        return Progress("running", env_steps, fmean(scores))


def tests_of(run: SeedRun) -> list[dict[str, Any]]:
    """Read the periodic tests of a run.

    Args:
        run: The run.

    Returns:
        Lines of its metrics that have some; one that is just being written is left out.
    """
    path = run.folder / "metrics.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = text.rpartition("\n")[0].splitlines()
    return [json.loads(line) for line in lines if '"test/' in line]


def score_in(entry: dict[str, Any], metric: str | None, prefix: str = "") -> float:
    """Look a score up.

    Args:
        entry: A result, or a line of metrics.
        metric: What counts; ``None`` for success at the last step where there is one, else
            the return.
        prefix: Before the names in the entry.

    Returns:
        The score.

    Raises:
        ConfigurationError: If there is no such number.
    """
    for name in _USUAL if metric is None else (metric,):
        if entry.get(prefix + name) is not None:
            return float(entry[prefix + name])
    raise ConfigurationError(f"the environment has no {metric or _USUAL}")
