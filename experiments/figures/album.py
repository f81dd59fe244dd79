"""Where pictures of a run go: into its folder, and into TensorBoard."""

import io
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from experiments.running.run_folder import write_bytes
from experiments.running.training import TrainedRun


class Album:
    """Takes pictures and writes them down.

    Attributes:
        paths: Files that were written, in order.
    """

    def __init__(
        self,
        folder: Path,
        prefix: str = "",
        writer: SummaryWriter | None = None,
        env_steps: int = 0,
    ):
        """Open it; nothing is written yet.

        Args:
            folder: Where files go.
            prefix: Of their names.
            writer: TensorBoard writer; ``None`` for files alone.
            env_steps: Environment steps that entries in TensorBoard stand at.
        """
        self.paths: list[Path] = []
        self._folder, self._prefix = folder, prefix
        self._writer: Any = writer
        self._env_steps = env_steps

    @classmethod
    def of_run(cls, run: TrainedRun) -> "Album":
        """Open the album of a run that has just finished.

        Args:
            run: The run.

        Returns:
            Its folder and its TensorBoard, at its last step.
        """
        return cls(
            run.folder.path,
            writer=run.folder.writer,
            env_steps=run.result["env_steps"],
        )

    def add(self, name: str, figure: Figure | None) -> None:
        """Write a figure and close it.

        Args:
            name: Of the file, without suffix, and of the entry, ``figures/<name>``.
            figure: The figure; ``None`` for nothing to show.
        """
        if figure is None:
            return
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110)
        plt.close(figure)
        self._write(name, "png", buffer.getvalue())

    def add_animation(self, name: str, data: bytes) -> None:
        """Write an animated GIF.

        TensorBoard's own videos are GIFs in an image's place, too, but need a further
        package.

        Args:
            name: Of the file, without suffix, and of the entry, ``figures/<name>``.
            data: The GIF; none are legal.
        """
        if data:
            self._write(name, "gif", data)

    def _write(self, name: str, suffix: str, data: bytes) -> None:
        """Write a picture as it is; drawing it anew for TensorBoard would cost as much."""
        path = self._folder / f"{self._prefix}{name}.{suffix}"
        write_bytes(path, data)
        self.paths.append(path)
        if self._writer is None:
            return
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
        entry = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=data
        )
        summary = Summary(value=[Summary.Value(tag=f"figures/{name}", image=entry)])
        self._writer.file_writer.add_summary(summary, self._env_steps)
