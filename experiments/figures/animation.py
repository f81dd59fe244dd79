"""An episode with its current plan, as an animated GIF."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from experiments.figures.plans import line_style, traveled
from experiments.figures.style import ACTUAL, PREDICTED
from experiments.figures.view import View
from layeredrl.diagnostics import Recording

MOST_BYTES = 2_000_000
_MOST_FRAMES = 150
_FRAME_MS = 80
_LAST_FRAME_MS = 1500
_SIZE, _DPI = 4.0, 100
_N_COLORS = 64


def episode_gif(
    recording: Recording,
    view: View | None,
    title: str,
    pictures: Sequence[np.ndarray] = (),
    most_bytes: int = MOST_BYTES,
) -> bytes:
    """Draw an episode with the plan in force at every moment.

    Args:
        recording: One episode.
        view: The plane to draw in; ``None`` for pictures alone.
        title: Written above.
        pictures: What the environment itself showed after each environment step, each
            (height, width, 3) uint8, to be put beside it; none are legal.
        most_bytes: How large the file may be; frames are left out until it fits.

    Returns:
        The GIF; empty if there is nothing to draw, or it cannot be made small enough.
    """
    if view is None and not pictures:
        return b""
    moments = _moments(recording)

    def frames_at(index: np.ndarray) -> list[Image.Image]:
        shown = moments[index]
        frames = [] if view is None else _frames(recording, view, title, shown)
        return _beside(frames, pictures, recording, shown)

    return _encode_within(most_bytes, len(moments), frames_at, fewest=2)


def pictures_gif(pictures: Sequence[np.ndarray], most_bytes: int = MOST_BYTES) -> bytes:
    """Animate what the environment showed.

    Args:
        pictures: One per environment step, at least one, each (height, width, 3) uint8.
        most_bytes: How large the file may be; frames are left out until it fits.

    Returns:
        The GIF; empty if it cannot be made small enough.
    """

    def frames_at(index: np.ndarray) -> list[Image.Image]:
        return [Image.fromarray(np.ascontiguousarray(pictures[i])) for i in index]

    return _encode_within(most_bytes, len(pictures), frames_at, fewest=1)


def _encode_within(
    most_bytes: int,
    n_moments: int,
    frames_at: Callable[[np.ndarray], list[Image.Image]],
    fewest: int,
) -> bytes:
    """Leave moments out until the file is small enough; empty if it never is."""
    n_frames = min(_MOST_FRAMES, n_moments)
    while n_frames >= fewest:
        index = np.rint(np.linspace(0, n_moments - 1, n_frames)).astype(int)
        data = _encode(frames_at(np.unique(index)))
        if len(data) <= most_bytes:
            return data
        n_frames //= 2
    return b""


def _moments(recording: Recording) -> np.ndarray:
    """Decision and environment step within it of every state that is known, (N, 2)."""
    n_steps = _steps_known(recording)
    decision = np.repeat(np.arange(len(recording)), n_steps)
    within = np.arange(len(decision)) - np.repeat(np.cumsum(n_steps) - n_steps, n_steps)
    return np.stack([decision, within], axis=1)


def _steps_known(recording: Recording) -> np.ndarray:
    """States known of each decision, its end not counted, (D,)."""
    if recording.path is None:
        return np.ones_like(recording.n_env_steps)
    return recording.n_env_steps


def _frames(
    recording: Recording, view: View, title: str, moments: np.ndarray
) -> list[Image.Image]:
    figure, axes = plt.subplots(figsize=(_SIZE, _SIZE), dpi=_DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    view.prepare(axes)
    axes.set(xlabel="", ylabel="")
    axes.set_title(title, fontsize=9)
    view.mark_goal(axes, recording)
    canvas.draw()
    figure.set_layout_engine("none")
    background = canvas.copy_from_bbox(figure.bbox)
    artists = _Artists(axes, recording, view)
    frames = []
    for decision, within in moments:
        canvas.restore_region(background)
        artists.draw(decision, within)
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
        frames.append(Image.fromarray(np.ascontiguousarray(pixels)))
    plt.close(figure)
    return frames


class _Artists:
    """What moves from frame to frame."""

    def __init__(self, axes: Axes, recording: Recording, view: View):
        self._axes, self._recording, self._view = axes, recording, view
        self._trace = view.of(traveled(recording))
        n_steps = _steps_known(recording)
        self._first = np.cumsum(n_steps) - n_steps
        (self._past,) = axes.plot([], [], color=ACTUAL, lw=1.5, alpha=0.5)
        (self._plan,) = axes.plot(
            [], [], line_style(recording.horizon), color=PREDICTED, lw=1.5, ms=6
        )
        (self._agent,) = axes.plot([], [], "o", color=ACTUAL, ms=9)

    def draw(self, decision: int, within: int) -> None:
        """Show a moment."""
        now = min(self._first[decision] + within, len(self._trace) - 1)
        here = self._trace[now]
        ahead = self._view.of(self._recording.planned[decision])[1:]
        self._plan.set_data(*np.concatenate([here[None], ahead]).T)
        self._past.set_data(*self._trace[: now + 1].T)
        self._agent.set_data(*here[:, None])
        for artist in (self._past, self._plan, self._agent):
            self._axes.draw_artist(artist)


def _beside(
    frames: list[Image.Image],
    pictures: Sequence[np.ndarray],
    recording: Recording,
    moments: np.ndarray,
) -> list[Image.Image]:
    """Put the environment's own pictures on the left."""
    if not pictures:
        return frames
    side = int(_SIZE * _DPI)
    first = np.cumsum(recording.n_env_steps) - recording.n_env_steps
    joined = []
    for k, (decision, within) in enumerate(moments):
        # There is none of the start.
        at = np.clip(first[decision] + within - 1, 0, len(pictures) - 1)
        picture = Image.fromarray(np.ascontiguousarray(pictures[at][..., :3]))
        width = round(picture.width * side / picture.height)
        whole = Image.new("RGB", (width + (side if frames else 0), side), "white")
        whole.paste(picture.resize((width, side)), (0, 0))
        if frames:
            whole.paste(frames[k], (width, 0))
        joined.append(whole)
    return joined


def _encode(frames: list[Image.Image]) -> bytes:
    """Write frames with one palette for all, so that what stays is not written again."""
    some = frames[:: max(1, len(frames) // 6)]
    width, height = some[0].size
    sample = Image.new("RGB", (width, height * len(some)))
    for i, frame in enumerate(some):
        sample.paste(frame, (0, i * height))
    # Small parts in strong colours count, not only large ones.
    palette = sample.quantize(_N_COLORS, Image.Quantize.MAXCOVERAGE, kmeans=1)
    plain = [
        frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames
    ]
    buffer = io.BytesIO()
    plain[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=plain[1:],
        duration=[_FRAME_MS] * (len(plain) - 1) + [_LAST_FRAME_MS],
        loop=0,
        optimize=False,
    )
    return buffer.getvalue()
