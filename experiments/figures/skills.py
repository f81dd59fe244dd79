"""What each skill does, from states that were visited."""

import colorsys

import numpy as np
import torch
from gymnasium import spaces
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.figure import Figure

from experiments.figures.style import QUIET
from experiments.figures.view import View
from layeredrl.diagnostics import (
    Recording,
    SkillOutcomes,
    skill_bins,
    skill_outcomes,
    spread_rows,
    spread_skills,
)
from layeredrl.predictors import Predictor
from layeredrl.utils.spaces import action_dim

_N_STATES = 9
_N_SKILLS = 16
_MOST_ARROWS = 500
# Changes smaller than this share of the picture are drawn larger.
_VISIBLE = 0.04


def skills_figure(
    recording: Recording,
    predictor: Predictor,
    space: spaces.Space,
    view: View,
    n_repeats: int = 1,
) -> Figure:
    """Show where skills are expected to lead and where they led.

    Args:
        recording: What happened.
        predictor: Predicts skills, or single steps of them.
        space: Space of the skills.
        view: The plane to draw in.
        n_repeats: Decisions for which the planner keeps a skill.

    Returns:
        Predicted fans, achieved changes, and both from a common start.
    """
    recording = recording.held(n_repeats)
    rows = spread_rows(view.of(recording.state), _N_STATES)
    skills = spread_skills(space, _N_SKILLS)
    start = recording.state[rows]
    generator = torch.Generator(predictor.device).manual_seed(0)
    fan = skill_outcomes(
        predictor, start, recording.context[rows], skills, n_repeats, generator
    )
    figure, panels = plt.subplots(1, 3, figsize=(13.5, 4.8), layout="constrained")
    scale = _magnification(recording, view)
    _draw_fans(panels[0], start, fan, view, skill_colors(space, skills), scale)
    _draw_achieved(panels[1], recording, view, space, scale)
    _draw_changes(panels[2], recording, start, fan, view, space)
    drawn = "" if scale == 1 else f", drawn {scale} times as long"
    panels[0].set_title(f"Expected ends of skills, 1 std{drawn}", fontsize=10)
    panels[1].set_title(f"What the chosen skills did{drawn}", fontsize=10)
    panels[2].set_title("Changes by skill, from a common start", fontsize=10)
    panels[1].set_ylabel("")
    _draw_key(panels[2], space, skills)
    figure.suptitle("What each skill does, coloured by skill", fontsize=12)
    return figure


def skill_colors(space: spaces.Space, skills: np.ndarray) -> np.ndarray:
    """Give skills colours of their own.

    Args:
        space: Space of the skills.
        skills: Features (K, A).

    Returns:
        RGB (K, 3): hue by direction for two features, paler near the middle; a scale for
        one; one colour per bin else.
    """
    if isinstance(space, spaces.Box) and action_dim(space) <= 2:
        low, high = space.low.ravel(), space.high.ravel()
        unit = (skills - (low + high) / 2) / np.maximum((high - low) / 2, 1e-12)
        if unit.shape[1] == 1:
            return plt.colormaps["coolwarm"]((unit[:, 0] + 1) / 2)[:, :3]
        hue = np.arctan2(unit[:, 1], unit[:, 0]) / (2 * np.pi) % 1.0
        vivid = 0.35 + 0.5 * np.minimum(1.0, np.linalg.norm(unit, axis=-1))
        pairs = zip(hue, vivid, strict=True)
        return np.array([colorsys.hsv_to_rgb(h, s, 0.85) for h, s in pairs])
    index = skill_bins(skills, space).bin_of
    return plt.colormaps["tab20"](index % 20)[:, :3]


def _magnification(recording: Recording, view: View) -> int:
    """How much longer than true changes have to be drawn to be seen."""
    change = np.linalg.norm(view.of(recording.reached - recording.state), axis=-1)
    left, right, bottom, top = view.limits
    visible = _VISIBLE * max(right - left, top - bottom)
    typical = float(np.nanquantile(change, 0.8))
    if typical >= visible or typical <= 0.0:
        return 1
    return int(np.ceil(visible / typical))


def _draw_fans(
    axes: Axes,
    start: np.ndarray,
    fan: SkillOutcomes,
    view: View,
    colors: np.ndarray,
    scale: int,
) -> None:
    view.prepare(axes)
    origin = view.of(start)[:, None]
    end = origin + scale * (view.of(fan.mean) - origin)
    segments = np.stack(np.broadcast_arrays(origin, end), axis=2).reshape(-1, 2, 2)
    each = np.tile(colors, (len(start), 1))
    axes.add_collection(LineCollection(list(segments), colors=each, lw=1.3, zorder=3))
    width, height = 2 * scale * np.moveaxis(view.of(fan.std), -1, 0).reshape(2, -1)
    ellipses = EllipseCollection(
        width,
        height,
        np.zeros(len(width)),
        units="xy",
        offsets=end.reshape(-1, 2),
        offset_transform=axes.transData,
        facecolors=np.column_stack([each, np.full(len(each), 0.22)]),
        edgecolors=each,
        lw=0.5,
        zorder=2,
    )
    axes.add_collection(ellipses)
    axes.plot(*origin[:, 0].T, "o", color="#26323d", ms=4, zorder=4)


def _draw_achieved(
    axes: Axes, recording: Recording, view: View, space: spaces.Space, scale: int
) -> None:
    view.prepare(axes)
    known = np.flatnonzero(np.isfinite(recording.reached).all(-1) & ~recording.is_cut)
    known = known[:: max(1, len(known) // _MOST_ARROWS)]
    origin = view.of(recording.state[known])
    end = origin + scale * (view.of(recording.reached[known]) - origin)
    colors = skill_colors(space, recording.action[known])
    segments = np.stack([origin, end], axis=1)
    axes.add_collection(
        LineCollection(list(segments), colors=colors, lw=1.1, alpha=0.8)
    )
    axes.scatter(end[:, 0], end[:, 1], c=colors, s=7, lw=0, zorder=3)


def _draw_changes(
    axes: Axes,
    recording: Recording,
    start: np.ndarray,
    fan: SkillOutcomes,
    view: View,
    space: spaces.Space,
) -> None:
    """Changes by skill: dots are achieved, the line joins expected ones of the fan."""
    known = np.isfinite(recording.reached).all(-1) & ~recording.is_cut
    change = view.of((recording.reached - recording.state)[known])
    colors = skill_colors(space, recording.action[known])
    axes.scatter(change[:, 0], change[:, 1], c=colors, s=9, lw=0, alpha=0.6)
    skills = spread_skills(space, _N_SKILLS)
    expected = np.median(view.of(fan.mean - start[:, None]), axis=0)
    axes.scatter(
        expected[:, 0],
        expected[:, 1],
        c=skill_colors(space, skills),
        s=70,
        edgecolors="#26323d",
        lw=1.0,
        zorder=3,
        label="expected (median over states)",
    )
    axes.axhline(0.0, color=QUIET, lw=0.6, zorder=0)
    axes.axvline(0.0, color=QUIET, lw=0.6, zorder=0)
    axes.set(xlabel=f"change of {view.labels[0]}", ylabel=f"change of {view.labels[1]}")
    axes.set_aspect("equal", adjustable="datalim")
    axes.tick_params(labelsize=8)
    axes.locator_params(nbins=6)
    axes.scatter([], [], c=QUIET, s=9, label="achieved")
    axes.margins(0.14)
    axes.legend(fontsize=8, loc="upper left", framealpha=0.85, edgecolor="none")


def _draw_key(axes: Axes, space: spaces.Space, skills: np.ndarray) -> None:
    """Say which colour is which skill, where skills have two features or are choices."""
    if isinstance(space, spaces.Box) and action_dim(space) != 2:
        return
    key = axes.inset_axes((0.80, 0.02, 0.18, 0.18))
    places = skills
    if isinstance(space, spaces.Discrete):
        angle = 2 * np.pi * np.arange(len(skills)) / len(skills)
        places = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        for i, place in enumerate(places):
            name = str(int(space.start) + i)
            key.text(
                0.55 * place[0],
                0.55 * place[1],
                name,
                fontsize=6,
                ha="center",
                va="center",
            )
    key.scatter(places[:, 0], places[:, 1], c=skill_colors(space, skills), s=14, lw=0)
    key.set_aspect("equal", adjustable="datalim")
    key.margins(0.15)
    key.set_xticks([])
    key.set_yticks([])
    key.patch.set_alpha(0.85)
    key.set_title("skill", fontsize=8, pad=2)
    for spine in key.spines.values():
        spine.set_edgecolor(QUIET)
