"""Runs of several seeds as tasks of Ray."""

import os
import time
from pathlib import Path
from typing import Any

from experiments.programs.seed_runs import POLL_S, ProcessRun, SeedRun
from layeredrl.collectors.remote import RayRuntime

_EXIT_LOST, _EXIT_INTERRUPTED = 1, 130


class TaskRun:
    """A run on some machine of a Ray cluster, which shares the folder with this one."""

    def __init__(self, run: SeedRun, runtime: RayRuntime, n_cpus: int):
        """Queue it.

        Args:
            run: What to start.
            runtime: Ray.
            n_cpus: Processors that it takes.
        """
        self._ray = runtime.ray
        task = self._ray.remote(num_cpus=n_cpus, max_retries=0)(run_to_its_end)
        self._reference: Any = task.remote(run, Path.cwd())

    def exit_code(self) -> int | None:
        """Tell how it ended; ``None`` while it goes on."""
        ready, _ = self._ray.wait([self._reference], timeout=0)
        if not ready:
            return None
        try:
            return int(self._ray.get(self._reference))
        except self._ray.exceptions.TaskCancelledError:
            return _EXIT_INTERRUPTED
        except self._ray.exceptions.WorkerCrashedError:
            return _EXIT_LOST

    def interrupt(self) -> None:
        """Ask it to stop, with a checkpoint, as Ctrl-C does."""
        self._ray.cancel(self._reference)

    def kill(self) -> None:
        """End it at once."""
        self._ray.cancel(self._reference)


def run_to_its_end(run: SeedRun, folder: Path) -> int:
    """Run a process where this is called, and hand interrupts on to it.

    Args:
        run: What to start.
        folder: Where, as relative paths are meant.

    Returns:
        Its exit code.
    """
    os.chdir(folder)
    process = ProcessRun(run)
    for end in (process.interrupt, process.kill):
        try:
            return _wait_for(process)
        except KeyboardInterrupt:
            end()
    return _wait_for(process)


def _wait_for(process: ProcessRun) -> int:
    while (code := process.exit_code()) is None:
        time.sleep(POLL_S)  # in short turns: Ray cannot interrupt a long one
    return code
