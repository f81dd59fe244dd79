"""Runs of several seeds: what each of them is, and how they are started as there is room."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from tqdm import tqdm

from layeredrl.errors import RunFolderError

POLL_S = 0.2
_LOG_TAIL_BYTES = 4000


@dataclass(frozen=True)
class SeedRun:
    """The run of one seed."""

    seed: int
    """Its seed."""
    folder: Path
    """Its run folder."""
    log: Path
    """Where what it prints goes."""
    command: tuple[str, ...]
    """What starts it."""

    @classmethod
    def within(
        cls, parent: Path, seed: int, command: Sequence[str], names_folder: bool = True
    ) -> Self:
        """Lay it out.

        Args:
            parent: Where its folder and its log beside that go.
            seed: Its seed.
            command: What starts it, but for seed and folder.
            names_folder: Whether the command has to say where the folder is.

        Returns:
            The run.
        """
        folder = parent / f"seed{seed}"
        own = ["--seed", str(seed)]
        if names_folder:
            own += ["--run-dir", str(folder)]
        log = folder.with_name(f"{folder.name}.log")
        return cls(seed, folder, log, (*command, *own))

    def n_env_steps(self) -> int:
        """Look up how far it is.

        Returns:
            Environment steps of the last line of its metrics; 0 if there is none.
        """
        line = _last_line(self.folder / "metrics.jsonl")
        try:
            return int(json.loads(line)["env_steps"])
        except (ValueError, KeyError):  # none yet, or just being written
            return 0

    def last_words(self) -> str:
        """Look up what it printed last.

        Returns:
            The last line of its log, without progress bars that were painted over.
        """
        return _last_line(self.log).rpartition("\r")[2]


class StartedRun(Protocol):
    """A run in progress."""

    def exit_code(self) -> int | None:
        """Tell how it ended; ``None`` while it goes on."""

    def interrupt(self) -> None:
        """Ask it to stop, with a checkpoint, as Ctrl-C does."""

    def kill(self) -> None:
        """End it at once."""


def heed_interrupts() -> None:
    """Let this process, about to become another program, be interrupted.

    What a shell starts in the background ignores interrupts, and what Ray starts has them
    blocked, and so would all that these start.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


class ProcessRun:
    """A run in a process of its own."""

    def __init__(self, run: SeedRun):
        """Start it.

        Args:
            run: What to start.

        Raises:
            RunFolderError: If its log cannot be written.
        """
        try:
            run.log.parent.mkdir(parents=True, exist_ok=True)
            with open(run.log, "ab") as log:
                # In a session of its own: Ctrl-C reaches it once, through us.
                self._process = subprocess.Popen(
                    run.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=heed_interrupts,
                )
        except OSError as error:
            raise RunFolderError(f"cannot start seed {run.seed}: {error}") from error

    def exit_code(self) -> int | None:
        """Tell how it ended; ``None`` while it goes on."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Ask it to stop, with a checkpoint, as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


def run_in_turn(
    runs: Sequence[SeedRun],
    n_at_once: int,
    total_env_steps: int,
    start: Callable[[SeedRun], StartedRun] = ProcessRun,
) -> dict[int, int]:
    """Start runs as there is room for them, and wait for all of them.

    Ctrl-C, or being terminated, interrupts those in progress and waits until they have
    written their checkpoints; a second time it kills them.

    Args:
        runs: The runs.
        n_at_once: How many may be in progress at once.
        total_env_steps: Environment steps of each, for the progress bars.
        start: Starts a run.

    Returns:
        Exit codes by seed.
    """
    waiting, started = list(runs), dict[int, StartedRun]()
    codes: dict[int, int] = {}
    with _bars(runs, total_env_steps) as show, _terminable():
        try:
            while len(codes) < len(runs):
                while waiting and len(started) < n_at_once:
                    run = waiting.pop(0)
                    started[run.seed] = start(run)
                time.sleep(POLL_S)
                codes |= _take_ended(started)
                show(started, codes)
            return codes
        except KeyboardInterrupt:
            _interrupt(started)
            raise
        finally:
            for handle in started.values():
                handle.kill()


def _take_ended(started: dict[int, StartedRun]) -> dict[int, int]:
    found = {seed: handle.exit_code() for seed, handle in started.items()}
    ended = {seed: code for seed, code in found.items() if code is not None}
    for seed in ended:
        del started[seed]
    return ended


def _interrupt(started: dict[int, StartedRun]) -> None:
    for handle in started.values():
        handle.interrupt()
    tqdm.write(
        f"waiting for checkpoints of seeds {list(started)}; Ctrl-C kills them",
        file=sys.stderr,
    )
    while started:
        time.sleep(POLL_S)
        _take_ended(started)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM raise what Ctrl-C raises: nothing started may outlive us."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


_Show = Callable[[dict[int, StartedRun], dict[int, int]], None]


@contextmanager
def _bars(runs: Sequence[SeedRun], total_env_steps: int) -> Iterator[_Show]:
    """Show one bar per run on a terminal, and one line per event elsewhere."""
    width = max(len(str(run.seed)) for run in runs)
    bars = [
        tqdm(total=total_env_steps, desc=f"seed {run.seed:>{width}}", disable=None)
        for run in runs
    ]
    said: dict[int, str] = {}

    def show(started: dict[int, StartedRun], codes: dict[int, int]) -> None:
        for run, bar in zip(runs, bars, strict=True):
            state = _state(run, started, codes)
            if run.seed in started or run.seed in codes:
                bar.n = min(run.n_env_steps(), total_env_steps)
            bar.set_postfix_str(state)
            if bar.disable and said.get(run.seed) != state != "waiting":
                print(f"seed {run.seed}: {state}", flush=True)
                said[run.seed] = state

    try:
        yield show
    finally:
        for bar in bars:
            bar.close()


def _state(run: SeedRun, started: dict[int, StartedRun], codes: dict[int, int]) -> str:
    if run.seed in codes:
        code = codes[run.seed]
        return f"failed ({code})" if code else "done"
    return "running" if run.seed in started else "waiting"


def _last_line(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").strip().split("\n")
    except OSError:
        return ""
    return lines[-1]
