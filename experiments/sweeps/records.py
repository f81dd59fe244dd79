"""What came of the trials of a sweep: one record each, a table, ``sweep.json``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from experiments.sweeps.plan import SweepPlan
from experiments.sweeps.tried import as_text

TrialState = Literal["running", "finished", "failed", "stopped"]


@dataclass(frozen=True)
class TrialRecord:
    """What became of a trial."""

    name: str
    """Its name, and that of its folder."""
    values: Mapping[str, str]
    """What it tried."""
    folder: Path
    """Holds a run folder per seed."""
    command: str
    """Repeats it."""
    state: TrialState = "running"
    """How it ended."""
    env_steps: int = 0
    """Environment steps at which the score was taken."""
    score: float | None = None
    """Mean over seeds: of the final evaluations if it finished, else of the last tests."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Final evaluations by seed."""
    why: str = ""
    """Why it failed."""

    @classmethod
    def of(cls, plan: SweepPlan, name: str, values: Mapping[str, Any]) -> Self:
        """Begin with one that was just started.

        Args:
            plan: What a trial runs.
            name: Its name.
            values: What it tries.

        Returns:
            The record.
        """
        texts = {key: as_text(value) for key, value in values.items()}
        return cls(name, texts, plan.folder / name, plan.command_of(values))

    def after(self, result: Mapping[str, Any]) -> Self:
        """Note how far it is.

        Args:
            result: Fields of a ``Progress``, among others.

        Returns:
            The new record.
        """
        return replace(
            self,
            state=result["state"],
            env_steps=result["env_steps"],
            score=None if math.isnan(result["score"]) else result["score"],
            scores=result["scores"],
            why=result["why"],
        )

    def stopped(self) -> Self:
        """Note that it was stopped, unless it had ended by itself.

        Returns:
            The new record.
        """
        return replace(self, state="stopped") if self.state == "running" else self

    def lost(self) -> Self:
        """Note that Ray has lost it.

        Returns:
            The new record.
        """
        return replace(self, state="failed", why="Ray has lost it; error.txt in ray/")

    def in_words(self) -> str:
        """Say how far it is.

        Returns:
            A few words.
        """
        if self.state == "failed":
            return f"failed: {self.why}"
        if self.score is None:
            return self.state
        return f"{self.state}, {self.env_steps} steps, score {self.score:.2f}"


def ranked(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Sort trials.

    Args:
        records: The trials.

    Returns:
        The finished ones, best first; then stopped ones by how far they came, then failed ones.
    """
    order = ("finished", "running", "stopped", "failed")

    def key(record: TrialRecord) -> tuple[float, ...]:
        score = -math.inf if record.score is None else record.score
        steps = 0 if record.state == "finished" else record.env_steps
        return (order.index(record.state), -steps, -score)

    return sorted(records, key=key)


def table_of(records: Sequence[TrialRecord], metric: str, task: str) -> str:
    """Lay trials out, best first, with the commands that repeat them.

    Args:
        records: The trials.
        metric: What their scores are.
        task: Where.

    Returns:
        Text.
    """
    lines = ["", f"{task}, {metric}", ""]
    for place, record in enumerate(ranked(records), start=1):
        is_done = record.state == "finished"
        mark = f"{place:>3}  {record.score:>10.2f}" if is_done else f"{'-':>3}{'':12}"
        note = _per_seed(record) if is_done else record.in_words()
        lines += [f"{mark}  {record.name}  {note}".rstrip(), f"       {record.command}"]
    failed = [record.name for record in records if record.state == "failed"]
    if failed:
        lines += ["", f"failed trials: {' '.join(failed)}"]
    return "\n".join(lines)


def _per_seed(record: TrialRecord) -> str:
    if len(record.scores) < 2:
        return ""
    told = ", ".join(f"{score:.2f} (seed {k})" for k, score in record.scores.items())
    return f"of {told}"


def plain(record: TrialRecord) -> dict[str, Any]:
    """Write a trial down for ``sweep.json``.

    Args:
        record: The trial.

    Returns:
        Plain values by name.
    """
    told = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return {**told, "folder": str(record.folder)}
