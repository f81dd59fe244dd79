"""Where an agent fits in a maze, and how far it gets: exact, for many at once."""

import numpy as np

AGENT_RADIUS = 0.15
"""Half the width of the square that the agent occupies, in cells."""


class MazeGeometry:
    """A maze of unit cells, centred at the origin, x to the right and y up.

    The agent is an axis-aligned square of half-width ``AGENT_RADIUS``. Per axis, the cells
    that it touches change where its centre passes ``AGENT_RADIUS`` before or behind a cell
    boundary; these breaks cut the plane into *patches*, in each of which the agent either
    fits or does not. Between the middle of a cell (a closed interval of 0.7) and the next
    one lies the strip around their boundary (open, 0.3), so a move of less than 0.3 per
    axis enters at most one other patch, and an agent that is stopped comes to rest exactly
    on a break: in contact with the wall, never in it.

    Attributes:
        walls: Whether each cell is a wall, rows from the top, (rows, columns) bool.
        extent: Half of the maze's width and height, (2,).
        corners: Centres of the corner cells, (n_corners, 2): for each corner of the map
            (top left, top right, bottom left, bottom right) the free cell whose centre is
            nearest to it (ties: the higher row, then the column further left), each
            cell once. Two free cells are enough for two corner cells.
    """

    def __init__(self, walls: np.ndarray) -> None:
        """Prepare the tables.

        Args:
            walls: Whether each cell is a wall, rows from the top, (rows, columns) bool.
        """
        self.walls = walls
        self.extent = np.array([walls.shape[1], walls.shape[0]]) / 2
        self.corners = self._corner_cells()
        breaks = [_breaks(n) for n in (walls.shape[1], walls.shape[0])]
        blocked = _blocked_patches(walls)
        self._n_rows = blocked.shape[1]
        # Searching from the right puts a low break into the middle that it opens; the
        # next larger number does the same for the high break that closes it.
        self._edges_x, self._edges_y = (
            np.stack([low, np.nextafter(high, np.inf)], axis=1).ravel()
            for low, high in breaks
        )
        self._blocked = blocked.ravel()
        self._low_x, self._high_x = (t.ravel() for t in _limits(blocked, *breaks[0]))
        self._low_y, self._high_y = (
            t.T.ravel() for t in _limits(blocked.T, *breaks[1])
        )

    def fits(self, positions: np.ndarray) -> np.ndarray:
        """Say where the agent can be without touching the inside of a wall.

        Args:
            positions: Centres, (..., 2). NaN fits nowhere.

        Returns:
            Whether it fits, (...) bool.
        """
        column = self._edges_x.searchsorted(positions[..., 0], "right")
        row = self._edges_y.searchsorted(positions[..., 1], "right")
        return ~self._blocked[column * self._n_rows + row]

    def move(self, positions: np.ndarray, displacements: np.ndarray) -> np.ndarray:
        """Move agents, first along x, then along y; each axis stops at contact.

        The order decides only when both moves alone are free and the two together are
        not: at the tip of a wall's corner.

        Args:
            positions: Centres where the agent fits, (..., 2).
            displacements: Wished changes, each component below 0.3 in size, (..., 2).

        Returns:
            New centres, in a new array, (..., 2).
        """
        moved = positions + displacements
        x, y = moved[..., 0], moved[..., 1]
        column = self._edges_x.searchsorted(positions[..., 0], "right")
        row = self._edges_y.searchsorted(positions[..., 1], "right")
        patch = column * self._n_rows + row
        np.maximum(x, self._low_x.take(patch), out=x)
        np.minimum(x, self._high_x.take(patch), out=x)
        patch = self._edges_x.searchsorted(x, "right") * self._n_rows + row
        np.maximum(y, self._low_y.take(patch), out=y)
        np.minimum(y, self._high_y.take(patch), out=y)
        return moved

    def _corner_cells(self) -> np.ndarray:
        rows, columns = np.nonzero(~self.walls)  # in reading order
        centres = np.stack([columns + 0.5, -rows - 0.5], axis=1)
        centres += self.extent * [-1, 1]
        nearest: list[int] = []
        for signs in ([-1, 1], [1, 1], [-1, -1], [1, -1]):
            distances = ((centres - self.extent * signs) ** 2).sum(axis=1)
            nearest.append(int(distances.argmin()))
        return centres[list(dict.fromkeys(nearest))]


def distances(positions: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return straight-line distances, computed the same way everywhere.

    Args:
        positions: Points, (..., 2).
        others: Points, (..., 2).

    Returns:
        Distances, (...).
    """
    gaps = np.subtract(positions, others, dtype=np.float64)
    np.square(gaps, out=gaps)
    return np.sqrt(gaps[..., 0] + gaps[..., 1])


def _breaks(n_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where each cell's middle begins and ends along one axis, (n_cells,)."""
    boundaries = np.arange(n_cells + 1) - n_cells / 2
    return boundaries[:-1] + AGENT_RADIUS, boundaries[1:] - AGENT_RADIUS


def _blocked_patches(walls: np.ndarray) -> np.ndarray:
    """Say in which patches the agent touches a wall, (2 columns + 1, 2 rows + 1).

    Odd indices are the middles of cells, even ones the strips between them; x comes
    first, and y counts from the bottom.
    """
    padded = np.pad(walls[::-1].T, 1, constant_values=True)
    patches = [np.arange(2 * n - 3) for n in padded.shape]
    first = [(p + 1) // 2 for p in patches]
    last = [p // 2 + 1 for p in patches]
    return (
        padded[np.ix_(first[0], first[1])]
        | padded[np.ix_(first[0], last[1])]
        | padded[np.ix_(last[0], first[1])]
        | padded[np.ix_(last[0], last[1])]
    )


def _limits(
    blocked: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far down and up the first axis the agent gets from each patch.

    Only the middle of a cell has limits: where the agent fits into a strip, it fits into
    the middles on both sides of it.
    """
    lowest = np.full(blocked.shape, -np.inf)
    highest = np.full(blocked.shape, np.inf)
    lowest[1::2] = np.where(blocked[:-1:2], low[:, None], -np.inf)
    highest[1::2] = np.where(blocked[2::2], high[:, None], np.inf)
    return lowest, highest
