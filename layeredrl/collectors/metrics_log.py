"""Numbers over time: one line of JSON each, and TensorBoard."""

import json
import math
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from layeredrl.errors import RunFolderError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


# TensorBoard draws 30; its default of some 1500 takes four times as long to write.
_N_BINS = 64


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

    def write(
        self,
        n_env_steps: int,
        metrics: Mapping[str, float],
        samples: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Write metrics; none at all is legal.

        TensorBoard groups by what is before the first slash, so it is told
        ``level0.part/name`` of ``level0/part/name``.

        Args:
            n_env_steps: Environment steps taken so far.
            metrics: Numbers by name, ``part/name``; those that are not finite become
                ``null`` in the file, as JSON knows no others.
            samples: Arrays by name whose histograms TensorBoard shows, (D,) each.

        Raises:
            RunFolderError: If the disk is full; the lines before stay whole.
        """
        if not metrics:
            return
        numbers = {name: float(value) for name, value in metrics.items()}
        if self._writer is not None:
            for name, value in numbers.items():
                self._writer.add_scalar(_tag(name), value, n_env_steps)
            for name, values in (samples or {}).items():
                self._writer.add_histogram(_tag(name), values, n_env_steps, _N_BINS)
        if self._file is not None:
            wall_s = round(self.seconds, 3)
            finite = {k: v if math.isfinite(v) else None for k, v in numbers.items()}
            line = {"env_steps": n_env_steps, "wall_s": wall_s, **finite}
            _append(self._file, json.dumps(line) + "\n")

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since the log was opened, earlier sessions included."""
        return time.monotonic() - self._start

    def state_dict(self) -> dict[str, Any]:
        """Say how far the log is.

        Returns:
            Length of the file in bytes, and seconds since it was opened.
        """
        end = None if self._file is None else self._file.seek(0, os.SEEK_END)
        return {"end": end, "seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to where the log was; later lines are cut off.

        Args:
            state: What :meth:`state_dict` returned.
        """
        self._start = time.monotonic() - state["seconds"]
        if self._file is not None and state["end"] is not None:
            _cut_off_after(self._file, min(state["end"], _end_of_lines(self._file)))

    def __enter__(self) -> "MetricsLog":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _tag(name: str) -> str:
    group, slash, last = name.rpartition("/")
    return group.replace("/", ".") + slash + last


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
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return file.read(size).rfind(b"\n") + 1


def _cut_off_after(file: BinaryIO, end: int) -> None:
    if file.seek(0, os.SEEK_END) != end:
        file.truncate(end)
