"""Numbers over time: one line of JSON each, and TensorBoard."""

import json
import math
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from layeredrl.errors import RunFolderError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class MetricsLog:
    """Appends metrics to ``metrics.jsonl`` and writes them to TensorBoard.

    Every line is whole when :meth:`write` returns, so a run that is killed loses nothing;
    what a run that was killed within :meth:`write` left of a line is cut off.
    """

    def __init__(
        self, path: str | Path | None = None, writer: "SummaryWriter | None" = None
    ):
        """Open the file.

        Args:
            path: File to append to; ``None`` for no file.
            writer: TensorBoard writer; ``None`` for none.

        Raises:
            RunFolderError: If the file cannot be written.
        """
        self._writer = writer
        self._start = time.monotonic()
        self._file: BinaryIO | None = None
        if path is not None:
            try:
                self._file = open(path, "a+b", buffering=0)
                _cut_off_after(self._file, _end_of_lines(self._file))
            except OSError as error:
                raise RunFolderError(
                    f"cannot write metrics to {path}: {error}"
                ) from error

    def write(self, n_env_steps: int, metrics: Mapping[str, float]) -> None:
        """Write metrics; none at all is legal.

        Args:
            n_env_steps: Environment steps taken so far.
            metrics: Numbers by name, ``part/name``; those that are not finite become
                ``null`` in the file, as JSON knows no others.

        Raises:
            RunFolderError: If the disk is full; the lines before stay whole.
        """
        if not metrics:
            return
        numbers = {name: float(value) for name, value in metrics.items()}
        if self._writer is not None:
            for name, value in numbers.items():
                self._writer.add_scalar(name, value, n_env_steps)
        if self._file is not None:
            wall_s = round(time.monotonic() - self._start, 3)
            finite = {k: v if math.isfinite(v) else None for k, v in numbers.items()}
            line = {"env_steps": n_env_steps, "wall_s": wall_s, **finite}
            _append(self._file, json.dumps(line) + "\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _append(file: BinaryIO, line: str) -> None:
    end = file.seek(0, os.SEEK_END)
    data = line.encode()
    try:
        n_written = file.write(data)
        if n_written < len(data):
            raise OSError(f"only {n_written} of {len(data)} bytes were written")
    except OSError as error:
        with suppress(OSError):
            _cut_off_after(file, end)
        raise RunFolderError(f"cannot write metrics: {error}") from error


def _end_of_lines(file: BinaryIO) -> int:
    file.seek(0)
    return file.read().rfind(b"\n") + 1


def _cut_off_after(file: BinaryIO, end: int) -> None:
    if file.seek(0, os.SEEK_END) != end:
        file.truncate(end)
