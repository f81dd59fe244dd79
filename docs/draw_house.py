"""Draw the rooms of the house by rank, and what passes between them.

Run from anywhere: ``python docs/draw_house.py`` writes ``docs/_static/house.png``.
"""

import ast
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "_static" / "house.png"
ROOMS_KEY = "Rooms"
"""Entry of the picture's metadata that lists what was drawn."""

WALL, PAPER, INK, FAINT = "#e9e3d7", "#fbf9f5", "#26323d", "#7d8790"
DOWN, UP = "#1f4e79", "#d1662a"
WEST, EAST = 0.9, 12.1
ROOM_HEIGHT = 0.58


class Place(NamedTuple):
    """Where a room is on its floor, and what is written in it."""

    left: float
    right: float
    text: str


class Flow(NamedTuple):
    """Two arrows between rooms: what goes down, and what comes back up."""

    upper: str
    lower: str
    x: float
    down: str
    up: str
    at: float | None = None
    """Height of the labels; by default just below the upper room."""


PLACES = {
    "types": Place(2.6, 6.3, "containers, dimension legend"),
    "errors": Place(6.7, 10.4, "what went wrong, by name"),
    "optimizers": Place(1.2, 4.3, "CEM, iCEM, MPPI, ..."),
    "utils": Place(5.0, 11.8, "buffers, schedules, spaces, seeds, checkpoints, ..."),
    "nets": Place(4.7, 9.1, "encoders, dynamics, rewards, values"),
    "envs": Place(9.4, 11.8, "mazes, ... (guests)"),
    "models": Place(4.7, 6.6, "what comes next"),
    "predictors": Place(3.4, 9.1, "encode, predict, reward, value"),
    "planners": Place(1.2, 4.3, "search in imagination"),
    "learners": Place(4.6, 6.5, "learn to act"),
    "objectives": Place(8.75, 10.2, "what pays"),
    "levels": Place(1.2, 10.2, "decide, remember, learn"),
    "hierarchies": Place(1.2, 10.2, "who is active, what passes between levels"),
    "collectors": Place(1.2, 11.8, "step environments, train, test, log"),
    "diagnostics": Place(7.3, 11.8, "planned against achieved"),
    "experiments": Place(4.0, 9.0, "concrete choices, seeds, paths"),
}

FLOWS = (
    Flow("experiments", "collectors", 5.15, "choices", "results"),
    Flow("experiments", "diagnostics", 8.2, "trained runs", "numbers"),
    Flow("diagnostics", "collectors", 9.8, "watching", "episodes"),
    Flow("collectors", "hierarchies", 5.15, "observations, rewards, ends", "actions"),
    Flow(
        "hierarchies", "levels", 5.15, "observations, inputs, transitions", "decisions"
    ),
    Flow("levels", "planners", 2.75, "latents, contexts", "plans"),
    Flow("levels", "learners", 5.55, "replay", "actions"),
    Flow("levels", "objectives", 9.45, "states", "pay"),
    Flow("levels", "predictors", 7.7, "observations, replay", "latents", 4.8),
    Flow("planners", "predictors", 3.85, "candidates", "returns"),
    Flow("planners", "optimizers", 2.3, "objective", "the best\nsequences", 3.0),
    Flow("predictors", "models", 5.75, "latents", "mixtures"),
    Flow("predictors", "nets", 8.2, "observations", "latents,\nrewards,\nvalues", 3.5),
    Flow("models", "nets", 5.75, "features", "mixtures"),
    Flow(
        "collectors", "envs", 10.95, "actions", "obser-\nvations,\nrewards,\nends", 4.2
    ),
)


def ranks() -> dict[str, int]:
    """Read the ranks where the imports are checked against them.

    Returns:
        Rank by room, the experiments on top included.
    """
    source = (ROOT / "tests" / "test_architecture.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RANKS":
            found: dict[str, int] = ast.literal_eval(node.value)
            return found | {"experiments": max(found.values()) + 1}
    raise LookupError("tests/test_architecture.py assigns no RANKS")


def rooms() -> dict[str, int]:
    """Find the rooms that exist.

    Returns:
        Rank by room, from the ground up.
    """
    package = ROOT / "layeredrl"
    names = {p.name for p in package.iterdir() if (p / "__init__.py").exists()}
    names |= {p.stem for p in package.glob("*.py")} - {"version", "doctor"}
    names = {name for name in names if not name.startswith("_")} | {"experiments"}
    known = ranks()
    return {name: known[name] for name in sorted(names, key=lambda n: (known[n], n))}


def description(drawn: dict[str, int]) -> str:
    """List rooms in one line, for the picture's metadata.

    Args:
        drawn: Rank by room.

    Returns:
        ``room:rank`` of each.
    """
    return " ".join(f"{name}:{rank}" for name, rank in drawn.items())


def draw() -> Figure:
    """Draw the house.

    Returns:
        The figure.
    """
    drawn = rooms()
    missing = drawn.keys() - PLACES.keys()
    if missing:
        raise LookupError(f"give {sorted(missing)} a place in PLACES")
    top = max(drawn.values())
    figure, axes = plt.subplots(figsize=(8.6, 9.0))
    figure.subplots_adjust(0, 0, 1, 1)
    axes.set(xlim=(0, 13), ylim=(-0.6, top + 1.35), aspect="auto")
    axes.axis("off")
    _draw_walls(axes, top)
    for flow in FLOWS:
        if flow.upper in drawn and flow.lower in drawn:
            _draw_flow(axes, flow, drawn)
    for name, rank in drawn.items():
        _draw_room(axes, name, rank, PLACES[name])
    _draw_legend(axes)
    return figure


def _draw_walls(axes: Axes, top: int) -> None:
    axes.add_patch(
        Rectangle((WEST, -0.2), EAST - WEST, top + 0.1, fc=PAPER, ec=WALL, lw=3)
    )
    eaves, ridge = top - 0.1, top + 1.2
    middle = (WEST + EAST) / 2
    axes.add_patch(Rectangle((9.8, eaves + 0.2), 0.6, 1.0, fc=PAPER, ec=WALL, lw=3))
    corners = [(WEST - 0.4, eaves), (middle, ridge), (EAST + 0.4, eaves)]
    axes.add_patch(Polygon(corners, fc=PAPER, ec=WALL, lw=3))
    for rank in range(1, top):
        axes.plot([WEST, EAST], [rank - 0.21] * 2, color=WALL, lw=1, ls=":")
    for rank in range(top + 1):
        y = rank + 0.3
        axes.text(0.35, y, str(rank), color=FAINT, fontsize=11, va="center")


def _draw_room(axes: Axes, name: str, rank: int, place: Place) -> None:
    width = place.right - place.left
    box = FancyBboxPatch(
        (place.left, rank),
        width,
        ROOM_HEIGHT,
        boxstyle="round,pad=0,rounding_size=0.08",
        fc="#dfe8ee" if name != "envs" else "#e3eddc",
        ec=INK,
        lw=1.1,
        zorder=3,
    )
    axes.add_patch(box)
    x = (place.left + place.right) / 2
    style = {"ha": "center", "va": "center", "color": INK, "zorder": 4}
    axes.text(x, rank + 0.385, name, fontsize=11, weight="bold", **style)
    axes.text(x, rank + 0.15, place.text, fontsize=8.4, **style)


def _draw_flow(axes: Axes, flow: Flow, drawn: dict[str, int]) -> None:
    high, low = drawn[flow.upper], drawn[flow.lower] + ROOM_HEIGHT
    label_y = (high + low) / 2 if flow.at is None else flow.at
    for x, start, end, color, text, side in (
        (flow.x - 0.09, high, low, DOWN, flow.down, "right"),
        (flow.x + 0.09, low, high, UP, flow.up, "left"),
    ):
        arrow = {"arrowstyle": "-|>", "color": color, "lw": 1.3, "shrinkA": 0}
        axes.annotate(
            "", (x, end), (x, start), arrowprops={**arrow, "shrinkB": 0}, zorder=2
        )
        axes.text(
            x + (-0.1 if side == "right" else 0.1),
            label_y,
            text,
            ha=side,
            va="center",
            fontsize=8.2,
            color=color,
            linespacing=1.1,
            zorder=2,
        )


def _draw_legend(axes: Axes) -> None:
    for x, text, color, side in (
        (0.3, "Left: ranks. A room imports only from lower ones.", FAINT, "left"),
        (9.3, "\u2193 handed down", DOWN, "right"),
        (EAST, "\u2191 comes back", UP, "right"),
    ):
        axes.text(x, -0.42, text, fontsize=9, color=color, va="center", ha=side)


def main() -> None:
    """Draw the house into the documentation."""
    figure = draw()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    metadata = {ROOMS_KEY: description(rooms()), "Software": None}
    figure.savefig(PICTURE, dpi=110, facecolor="white", metadata=metadata)
    plt.close(figure)


if __name__ == "__main__":
    main()
