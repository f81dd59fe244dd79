"""Numbers over time: one line of JSON each, and TensorBoard."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from layeredrl.errors import RunFolderError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class MetricsLog:
    """Appends metrics to ``metrics.jsonl`` and writes them to TensorBoard.

    Every line is whole when :meth:`write` returns, so a run that is killed loses nothing.
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
        self._file = None
        if path is not None:
            try:
                self._file = open(path, "a", encoding="utf-8")
            except OSError as error:
                raise RunFolderError(
                    f"cannot write metrics to {path}: {error}"
                ) from error

    def write(self, n_env_steps: int, metrics: Mapping[str, float]) -> None:
        """Write metrics; none at all is legal.

        Args:
            n_env_steps: Environment steps taken so far.
            metrics: Numbers by name, ``part/name``.

        Raises:
            RunFolderError: If the disk is full.
        """
        if not metrics:
            return
        if self._writer is not None:
            for name, value in metrics.items():
                self._writer.add_scalar(name, value, n_env_steps)
        if self._file is not None:
            wall_s = round(time.monotonic() - self._start, 3)
            line = {"env_steps": n_env_steps, "wall_s": wall_s, **metrics}
            try:
                self._file.write(json.dumps(line) + "\n")
                self._file.flush()
            except OSError as error:
                raise RunFolderError(f"cannot write metrics: {error}") from error

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
