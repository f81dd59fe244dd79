"""The plane in which a recording is drawn: positions in a maze, or two latent features."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from experiments.figures.style import GOAL
from experiments.figures.walls import Walls
from layeredrl.diagnostics import Recording


@dataclass(frozen=True)
class View:
    """Which two features of the latent state are drawn, and on what ground."""

    columns: tuple[int, int]
    """The features."""
    labels: tuple[str, str]
    """What the axes say."""
    limits: tuple[float, float, float, float]
    """Left, right, bottom, top."""
    walls: Walls | None = None
    """Drawn below everything."""
    is_place: bool = False
    """Whether the features are what is to be achieved, such as a position, so that goals
    can be drawn and both axes have one unit."""

    def prepare(self, axes: Axes) -> None:
        """Set up a panel.

        Args:
            axes: The panel; changed in place.
        """
        axes.set(xlabel=self.labels[0], ylabel=self.labels[1])
        axes.tick_params(labelsize=8)
        left, right, bottom, top = self.limits
        axes.set(xlim=(left, right), ylim=(bottom, top))
        if self.is_place:
            axes.set_aspect("equal", adjustable="box")
        if self.walls is not None:
            self.walls.draw(axes)

    def of(self, states: np.ndarray) -> np.ndarray:
        """Look at latent states.

        Args:
            states: Latent states (..., Z).

        Returns:
            Their two features, (..., 2).
        """
        return states[..., list(self.columns)]

    def mark_goal(self, axes: Axes, recording: Recording, row: int = 0) -> None:
        """Draw the goal, where it is known in these units.

        Args:
            axes: The panel; changed in place.
            recording: What tells the goal.
            row: At which decision.
        """
        if self.is_place and recording.desired_goal is not None:
            goal = recording.desired_goal[row, :2]
            axes.plot(*goal, "*", color=GOAL, ms=15, mec="white", mew=0.8, label="goal")


def view_of(recording: Recording, walls: Walls | None) -> View | None:
    """Choose the plane.

    Args:
        recording: What will be drawn.
        walls: The walls of the maze, if it is one.

    Returns:
        The first two features of what is to be achieved where the latent state tells them,
        else of the latent state; ``None`` if it has one only.
    """
    places = recording.position_columns()
    if places is not None and len(places) > 1:
        columns, labels = (places[0], places[1]), ("x", "y")
        drawn = [recording.state, recording.reached]
        xy = np.concatenate([states[:, list(columns)] for states in drawn])
        assert recording.desired_goal is not None
        xy = np.concatenate([xy, recording.desired_goal[:, :2]])
        if walls is not None:
            return View(columns, labels, walls.limits, walls, is_place=True)
        return View(columns, labels, _around(xy, is_square=True), is_place=True)
    if recording.state.shape[1] < 2:
        return None
    xy = np.concatenate([recording.state[:, :2], recording.reached[:, :2]])
    return View((0, 1), ("latent feature 0", "latent feature 1"), _around(xy))


def _around(
    xy: np.ndarray, is_square: bool = False
) -> tuple[float, float, float, float]:
    """Limits with a margin."""
    low, high = np.nanmin(xy, axis=0), np.nanmax(xy, axis=0)
    extent = np.maximum(high - low, 1e-6)
    if is_square:
        middle, half = (low + high) / 2, extent.max() / 2
        low, high = middle - half, middle + half
        extent = high - low
    margin = 0.06 * extent
    return (
        float(low[0] - margin[0]),
        float(high[0] + margin[0]),
        float(low[1] - margin[1]),
        float(high[1] + margin[1]),
    )
