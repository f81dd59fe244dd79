"""Draw what backbones are made of, and the windows that they learn from.

Run from anywhere: ``python docs/draw_backbones.py`` writes ``docs/_static/backbones.png``.
The windows are real ones, sampled from a small buffer.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from tianshou.data import Batch

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import FancyBboxPatch, Rectangle  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from layeredrl.predictors.trajectory_batch import (  # noqa: E402
    TrajectoryBatch,
    sample_trajectory_batch,
)
from layeredrl.utils.buffers import TransitionBuffer  # noqa: E402

PICTURE = ROOT / "docs" / "_static" / "backbones.png"

INK, FAINT, DOWN, UP = "#26323d", "#7d8790", "#1f4e79", "#d1662a"
ROOM, GIVEN = "#dfe8ee", "#fbf9f5"
PAST, LEARNED, LAST, NOTHING = "#e3ded3", "#1f4e79", "#9db8cf", "#ffffff"
MAX_SEQ_LEN, N_STEPS, EPISODES = 16, 5, (7, 11, 30, 9, 13, 24, 8)
N_SHOWN = 9


class Stage(NamedTuple):
    """A box of the picture."""

    x: float
    y: float
    title: str
    text: str
    is_network: bool = True


WIDTH, HEIGHT = 2.4, 1.0
STAGES = {
    "obs": Stage(0.2, 3.1, "observation", "(B, T, O)\nand images", False),
    "told": Stage(
        0.2, 1.2, "reward, action", "of the step before\n(B, T, 1 + A)", False
    ),
    "parts": Stage(3.1, 3.1, "parts", "by key\n(B, T, *shape)", False),
    "tstep": Stage(4.6, 1.2, "time-step encoder", "perceptron or CNN\n(B, T, E)"),
    "traj": Stage(7.5, 1.2, "trajectory encoder", "GRU, Transformer,\nMamba (B, T, D)"),
    "heads": Stage(10.4, 1.2, "heads", "linear\n(B, T, features)"),
    "state": Stage(13.1, 3.1, "latent state", "changes\n(B, T, Z)", False),
    "context": Stage(13.1, 1.2, "context", "of the episode\n(B, T, C)", False),
}


def draw() -> Figure:
    """Draw both panels.

    Returns:
        The figure.
    """
    figure = plt.figure(figsize=(10.4, 7.4))
    above = figure.add_axes((0.0, 0.46, 1.0, 0.54))
    below = figure.add_axes((0.07, 0.075, 0.9, 0.31))
    _draw_stages(above)
    _draw_windows(below, sample())
    return figure


def sample() -> TrajectoryBatch:
    """Sample windows from episodes of several lengths.

    Returns:
        Stretches with their past; observations are (episode, time).
    """
    buffer = TransitionBuffer(200, 1, np.random.SeedSequence(6))
    for episode, length in enumerate(EPISODES):
        for t in range(length):
            step = {"obs": [[episode, t]], "obs_next": [[episode, t + 1]], "rew": [0.0]}
            fields = {name: np.array(x, np.float32) for name, x in step.items()}
            ends = {"terminated": np.zeros(1, bool), "truncated": [t == length - 1]}
            fields |= {"truncated": np.array(ends.pop("truncated"))} | ends
            act, info = np.zeros((1, 1), np.float32), Batch(time_idx=np.array([t]))
            buffer.add(Batch(**fields, act=act, info=info), buffer_ids=np.arange(1))
    return sample_trajectory_batch(
        buffer, 60, N_STEPS, torch.Tensor.float, torch.device("cpu"), MAX_SEQ_LEN
    )


def _draw_stages(axes: Axes) -> None:
    axes.set(xlim=(0, 15.6), ylim=(-0.7, 5.15))
    axes.axis("off")
    for stage in STAGES.values():
        _draw_box(axes, stage)
    for start, end in (("obs", "parts"), ("told", "tstep"), ("tstep", "traj")):
        _connect(axes, start, end)
    _connect(axes, "traj", "heads")
    _connect(axes, "heads", "context")
    _arrow(
        axes,
        (STAGES["parts"].x + WIDTH / 2, 3.1),
        (STAGES["tstep"].x + WIDTH / 2, 2.2),
        DOWN,
    )
    _arrow(axes, (_right("heads") - 0.2, 2.2), (13.1, 3.35), DOWN)
    _arrow(axes, (_right("parts"), 3.8), (13.1, 3.8), UP)
    _note(
        axes, 9.2, 3.92, "columns that are the state, or the context, as they are", UP
    )
    traj = STAGES["traj"].x + WIDTH / 2
    _arrow(axes, (traj + 0.75, 1.2), (traj - 0.75, 1.2), UP, "arc3,rad=-0.75")
    _note(
        axes, traj, 0.52, "hidden state, per instance:\nto the next decision", UP, "top"
    )
    _arrow(axes, (traj, 2.75), (traj, 2.2), DOWN)
    _note(axes, traj, 2.8, "decisions since the episode began (B, T)", DOWN)
    _note(axes, 0.2, 4.6, "BackboneEncoder: from what is seen to a latent state and a "
          "context", INK, size=12, side="left")  # fmt: skip
    _note(axes, 0.2, -0.6, "acting: T = 1, with the hidden state.   learning: whole "
          "windows, without.   both give the same.", FAINT, side="left")  # fmt: skip


def _draw_box(axes: Axes, stage: Stage) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (stage.x, stage.y),
            WIDTH,
            HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.08",
            fc=ROOM if stage.is_network else GIVEN,
            ec=INK,
            lw=1.2 if stage.is_network else 0.7,
            zorder=3,
        )
    )
    middle = stage.x + WIDTH / 2
    style = {"ha": "center", "va": "center", "color": INK, "zorder": 4}
    axes.text(middle, stage.y + 0.8, stage.title, weight="bold", fontsize=9.5, **style)
    axes.text(middle, stage.y + 0.34, stage.text, fontsize=8.6, **style)


def _right(name: str) -> float:
    return STAGES[name].x + WIDTH


def _connect(axes: Axes, start: str, end: str) -> None:
    """Draw an arrow between boxes of one height."""
    y = STAGES[start].y + HEIGHT / 2
    _arrow(axes, (_right(start), y), (STAGES[end].x, y), DOWN)


def _arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str,
    bend: str = "arc3",
) -> None:
    look = {"arrowstyle": "-|>", "color": color, "lw": 1.4, "connectionstyle": bend}
    ends = {"shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops={**look, **ends}, zorder=2)


def _note(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    color: str,
    at: str = "bottom",
    side: str = "center",
    size: float = 8.6,
) -> None:
    axes.text(x, y, text, color=color, va=at, ha=side, fontsize=size, linespacing=1.15)


def _draw_windows(axes: Axes, batch: TrajectoryBatch) -> None:
    """Draw one row of squares per window, a square per observation."""
    window = batch.window
    assert window is not None and isinstance(window.obs, torch.Tensor)
    order = _spread(batch)
    for row, i in enumerate(order):
        first, n_valid = int(window.first[i]), int(batch.traj_len[i])
        for t in range(window.obs.shape[1]):
            color = PAST if t < first else LEARNED
            color = LAST if t == first + n_valid else color
            color = color if window.mask[i, t] else NOTHING
            square = Rectangle(
                (t, -row), 0.92, 0.84, fc=color, ec=WALL_OF[color], lw=0.6
            )
            axes.add_patch(square)
            if window.mask[i, t]:
                ink = "white" if color == LEARNED else INK
                number = str(int(window.time_idxs[i, t]))
                where = (t + 0.46, 0.4 - row)
                axes.text(
                    *where, number, color=ink, fontsize=7, ha="center", va="center"
                )
    axes.set(xlim=(-0.3, MAX_SEQ_LEN + 6.6), ylim=(-len(order) + 0.7, 2.0))
    axes.axis("off")
    _note(axes, 0, 1.15, "Windows that are learned from; numbers are decisions since the "
          "episode began", INK, side="left", size=12)  # fmt: skip
    _note(axes, MAX_SEQ_LEN / 2, -len(order) + 0.6, f"max_seq_len = {MAX_SEQ_LEN}", FAINT,
          "top")  # fmt: skip
    legend = (
        (PAST, "the past: memory builds on it"),
        (LEARNED, f"the stretch: at most {N_STEPS} steps"),
        (LAST, "where its last step led"),
        (NOTHING, "nothing, and masked"),
    )
    for row, (color, text) in enumerate(legend):
        corner = (MAX_SEQ_LEN + 0.7, -1.2 * row - 0.6)
        axes.add_patch(
            Rectangle(corner, 0.92, 0.84, fc=color, ec=WALL_OF[color], lw=0.6)
        )
        _note(axes, corner[0] + 1.2, corner[1] + 0.4, text, INK, "center", "left")


def _spread(batch: TrajectoryBatch) -> list[int]:
    """Choose windows that differ, by how much they show."""
    assert batch.window is not None
    length, first = batch.window.mask.sum(1), batch.window.first
    pairs = zip(length.tolist(), first.tolist(), strict=True)
    places = {pair: i for i, pair in enumerate(pairs)}
    chosen = np.linspace(0, len(places) - 1, N_SHOWN).round().astype(int)
    return [places[sorted(places)[i]] for i in chosen]


WALL_OF = {PAST: FAINT, LEARNED: LEARNED, LAST: FAINT, NOTHING: "#d5d9dc"}


def main() -> None:
    """Draw the backbones into the documentation."""
    figure = draw()
    figure.savefig(PICTURE, dpi=110, facecolor="white", metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
