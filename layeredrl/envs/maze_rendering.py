"""Pictures of mazes, drawn with numpy for many instances at once."""

import numpy as np

from layeredrl.envs.maze_geometry import AGENT_RADIUS
from layeredrl.errors import ConfigurationError, ShapeError

RENDER_MODES = ("rgb_array",)
PIXELS_PER_CELL = 32
_SUPERSAMPLING = 4
_PLAN_RADIUS = 0.05
_FLOOR = (255, 255, 255)
_WALL = (62, 66, 78)
_GOAL = (58, 166, 85)
_PLAN = (240, 150, 40)
_AGENT = (34, 94, 200)


class MazeRenderer:
    """Draws walls, goals, plans and agents, from above.

    Edges are smoothed: where an agent is between two pixels shows in its colours, so small
    pictures lose little. A picture of other proportions than the maze is filled up with
    wall.

    Attributes:
        shape: Height and width of the pictures in pixels.
    """

    def __init__(
        self,
        walls: np.ndarray,
        goal_radius: float,
        shape: tuple[int, int] | None = None,
    ) -> None:
        """Draw the background once.

        Args:
            walls: Whether each cell is a wall, rows from the top, (rows, columns) bool.
            goal_radius: Radius of the disc drawn for a goal, in cells.
            shape: Height and width in pixels, or ``None`` for 32 pixels per cell.

        Raises:
            ConfigurationError: The picture would have fewer pixels than the maze cells.
        """
        if shape is None:
            shape = (walls.shape[0] * PIXELS_PER_CELL, walls.shape[1] * PIXELS_PER_CELL)
        height, width = shape
        if height < walls.shape[0] or width < walls.shape[1]:
            raise ConfigurationError(
                f"a picture of {height} x {width} pixels is too small for a maze of "
                f"{walls.shape[0]} x {walls.shape[1]} cells"
            )
        self.shape = (height, width)
        self._goal_radius = goal_radius
        self._scale = min(height / walls.shape[0], width / walls.shape[1])
        self._background = self._draw_walls(walls)

    def render(
        self,
        positions: np.ndarray,
        goals: np.ndarray,
        plans: np.ndarray | None = None,
        *,
        goal_shown: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw one picture per instance.

        Args:
            positions: Centres of the agents, (B, 2).
            goals: Centres of the goals, (B, 2).
            plans: Positions joined by a line, (B, T, 2); those with NaN are left out.
            goal_shown: Which goals are drawn, (B,) bool, or ``None`` for all.

        Returns:
            Pictures, (B, height, width, 3) uint8.

        Raises:
            ShapeError: The plans have another shape.
        """
        frames = np.empty((len(positions), *self._background.shape), dtype=np.uint8)
        frames[:] = self._background
        drawn = np.arange(len(goals)) if goal_shown is None else goal_shown.nonzero()[0]
        self._draw_discs(frames, drawn, goals[drawn], self._goal_radius, _GOAL)
        if plans is not None:
            self._draw_lines(frames, check_plans(plans, len(positions)))
        everyone = np.arange(len(positions))
        self._draw_discs(frames, everyone, positions, AGENT_RADIUS, _AGENT)
        return frames

    def _to_pixels(self, positions: np.ndarray) -> np.ndarray:
        """Turn positions (x, y) into pixel coordinates (down, right), (..., 2)."""
        flipped = positions[..., ::-1] * [-self._scale, self._scale]
        return flipped + np.array(self.shape) / 2

    def _draw_walls(self, walls: np.ndarray) -> np.ndarray:
        samples = []
        for size, n_cells in zip(self.shape, walls.shape):
            pixels = (np.arange(size * _SUPERSAMPLING) + 0.5) / _SUPERSAMPLING
            cells = np.floor((pixels - size / 2) / self._scale + n_cells / 2)
            samples.append(np.clip(cells.astype(int), -1, n_cells) + 1)
        fine = np.pad(walls, 1, constant_values=True)[np.ix_(*samples)]
        height, width = self.shape
        fine = fine.reshape(height, _SUPERSAMPLING, width, _SUPERSAMPLING)
        share = fine.mean(axis=(1, 3))[..., None]
        mixed = share * np.array(_WALL) + (1 - share) * np.array(_FLOOR)
        return np.rint(mixed).astype(np.uint8)

    def _draw_discs(
        self,
        frames: np.ndarray,
        rows: np.ndarray,
        centres: np.ndarray,
        radius: float,
        colour: tuple[int, int, int],
    ) -> None:
        """Blend one disc into each frame of some rows; pixels count by their cover."""
        centres = self._to_pixels(centres)  # (rows, 2)
        # Smaller than this a disc would fade instead of shrinking.
        radius = max(radius * self._scale, 1.0)
        reach = int(np.ceil(radius + 0.5))
        offsets = np.arange(-reach, reach + 1)
        pixels = np.floor(centres).astype(int)[:, :, None] + offsets  # (rows, 2, K)
        gaps = np.square(pixels + (0.5 - centres[:, :, None]))
        distance = np.sqrt(gaps[:, 0, :, None] + gaps[:, 1, None, :])  # (rows, K, K)
        cover = np.clip(radius + 0.5 - distance, 0.0, 1.0)
        inside = (pixels >= 0) & (pixels < np.array(self.shape)[:, None])
        cover *= inside[:, 0, :, None] & inside[:, 1, None, :]
        disc, down, right = np.nonzero(cover)
        at = (rows[disc], pixels[disc, 0, down], pixels[disc, 1, right])
        share = cover[disc, down, right][:, None]
        mixed = share * np.array(colour) + (1.0 - share) * frames[at]
        frames[at] = np.rint(mixed)

    def _draw_lines(self, frames: np.ndarray, plans: np.ndarray) -> None:
        """Draw lines into the frames, in place: dots, half a pixel apart."""
        size = np.array(self.shape)
        points = np.clip(self._to_pixels(plans), -size, 2 * size)  # (B, T, 2)
        lengths = np.abs(np.diff(points, axis=1))
        longest = lengths[np.isfinite(lengths)].max(initial=0.5)
        shares = np.linspace(0.0, 1.0, int(np.ceil(2 * longest)) + 1)[:, None]
        starts, ends = points[:, :-1, None], points[:, 1:, None]
        dots = (starts + shares * (ends - starts)).reshape(len(plans), -1, 2)
        dots = np.concatenate([dots, points], axis=1)
        radius = _PLAN_RADIUS * self._scale
        reach = np.arange(-int(radius), int(radius) + 1)
        brush = np.array(
            [(i, j) for i in reach for j in reach if i * i + j * j <= radius**2]
        )
        instance = np.arange(len(plans))[:, None].repeat(dots.shape[1], axis=1)
        drawn = np.isfinite(dots).all(axis=-1)
        pixels = np.floor(dots[drawn]).astype(int)[:, None] + brush  # (dots, K, 2)
        inside = ((pixels >= 0) & (pixels < size)).all(axis=-1)
        instances = instance[drawn][:, None].repeat(len(brush), axis=1)[inside]
        frames[instances, pixels[inside][:, 0], pixels[inside][:, 1]] = _PLAN


def check_plans(plans: np.ndarray, n_instances: int) -> np.ndarray:
    """Return plans as an array of the shape that can be drawn.

    Args:
        plans: What the caller passed.
        n_instances: How many plans there must be, B.

    Returns:
        The plans in a new array, (B, T, 2) float64.

    Raises:
        ShapeError: The shape differs.
    """
    plans = np.array(plans, dtype=np.float64)
    if plans.ndim != 3 or (plans.shape[0], plans.shape[2]) != (n_instances, 2):
        raise ShapeError(
            f"plans must have shape ({n_instances}, T, 2), got {plans.shape}"
        )
    return plans


def check_render_mode(render_mode: str | None) -> str | None:
    """Return a render mode that there is.

    Args:
        render_mode: What the caller passed.

    Returns:
        The render mode.

    Raises:
        ConfigurationError: There is no such mode; the message lists those there are.
    """
    if render_mode is not None and render_mode not in RENDER_MODES:
        raise ConfigurationError(
            f"unknown render_mode {render_mode!r}; known: {', '.join(RENDER_MODES)}"
        )
    return render_mode
