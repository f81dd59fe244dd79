"""Colours, and where figures go."""

import io
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402
from PIL import Image  # noqa: E402
from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: E402

from experiments.training import TrainedRun  # noqa: E402

ACTUAL, PREDICTED, GOAL = "#1f4e79", "#d1662a", "#2f8f4e"
QUIET = "#7d8790"


def show(run: TrainedRun, name: str, figure: Figure | None) -> None:
    """Write a figure into the run folder and TensorBoard, and close it.

    Args:
        run: A finished run.
        name: Of the file, without suffix, and of the entry.
        figure: The figure; ``None`` for nothing to show.
    """
    if figure is None:
        return
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    plt.close(figure)
    _write(run, name, "png", buffer.getvalue())


def show_animation(run: TrainedRun, name: str, data: bytes) -> None:
    """Write an animated GIF into the run folder and TensorBoard.

    TensorBoard's own videos are GIFs in an image's place, too, but need a further package.

    Args:
        run: A finished run.
        name: Of the file, without suffix, and of the entry.
        data: The GIF; none are legal.
    """
    if not data:
        return
    _write(run, name, "gif", data)


def _write(run: TrainedRun, name: str, suffix: str, data: bytes) -> None:
    """Write a picture as it is; drawing it anew for TensorBoard would cost as much again."""
    (run.folder.path / f"{name}.{suffix}").write_bytes(data)
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    entry = Summary.Image(
        height=height, width=width, colorspace=3, encoded_image_string=data
    )
    summary = Summary(value=[Summary.Value(tag=name, image=entry)])
    writer: Any = run.folder.writer
    writer.file_writer.add_summary(summary, run.result["env_steps"])


def count_in_whole_numbers(axes: Axes) -> None:
    """Mark no fractions on the x axis.

    Args:
        axes: The panel; changed in place.
    """
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def tidy(axes: Axes) -> None:
    """Drop the lines at the top and on the right.

    Args:
        axes: The panel; changed in place.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
