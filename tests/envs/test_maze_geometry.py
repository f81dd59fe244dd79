import numpy as np
import pytest

from layeredrl.envs.layouts import LAYOUTS, read_map
from layeredrl.envs.maze_geometry import AGENT_RADIUS, MazeGeometry, distances

MEDIUM = MazeGeometry(read_map(LAYOUTS["Medium"]))


def move(maze, position, displacement):
    return maze.move(np.array(position, float), np.array(displacement, float)).tolist()


def wall_boxes(walls):
    """Lower left corners of all walls, with a ring of them around the map."""
    rows, columns = np.nonzero(np.pad(walls, 1, constant_values=True))
    height, width = walls.shape
    return np.stack([columns - 1 - width / 2, height / 2 - rows], axis=1)


def slide(boxes, positions, displacements):
    """Another way to the same: ask every wall how far it lets each agent go."""
    out = positions.copy()
    for axis, other in ((0, 1), (1, 0)):
        at, low = out[:, axis, None], boxes[None, :, axis]
        across = np.abs(out[:, other, None] - (boxes[None, :, other] + 0.5))
        beside = across < 0.5 + AGENT_RADIUS - 1e-9
        above = np.where(beside & (low > at), low - AGENT_RADIUS, np.inf)
        below = np.where(beside & (low + 1 < at), low + 1 + AGENT_RADIUS, -np.inf)
        wished = out[:, axis] + displacements[:, axis]
        out[:, axis] = np.clip(wished, below.max(axis=1), above.min(axis=1))
    return out


def depth_in_walls(boxes, positions):
    gaps = np.abs(positions[:, None] - (boxes[None] + 0.5)).max(axis=-1)
    return (0.5 + AGENT_RADIUS - gaps).max()


def test_free_moves_are_exact():
    assert move(MEDIUM, [2.0, 2.0], [0.1, -0.05]) == [2.1, 1.95]


@pytest.mark.parametrize(
    ("displacement", "reached"),
    [
        ([0.1, 0.0], [2.85, 2.0]),  # stops at contact: the wall begins at 3
        ([0.1, -0.1], [2.85, 1.9]),  # ... while the other component slides
        ([-0.1, 0.0], [2.7, 2.0]),
    ],
)
def test_contact_and_sliding(displacement, reached):
    assert move(MEDIUM, [2.8, 2.0], displacement) == pytest.approx(reached, abs=1e-15)


def test_an_agent_in_contact_stays_exactly_there_and_can_leave():
    contact = move(MEDIUM, [2.8, 2.8], [0.1, 0.1])
    assert contact == [3 - AGENT_RADIUS, 3 - AGENT_RADIUS]
    assert move(MEDIUM, contact, [0.1, 0.1]) == contact
    assert move(MEDIUM, contact, [-0.1, -0.1]) == (np.array(contact) - 0.1).tolist()


def test_at_the_tip_of_a_corner_x_goes_first():
    maze = MazeGeometry(read_map(["01", "00"]))  # the wall is [0, 1] x [0, 1]
    assert move(maze, [-0.2, -0.2], [0.1, 0.1]) == pytest.approx([-0.1, -0.15])


def test_the_gap_of_a_doorway_lets_the_agent_through_only_in_its_width():
    maze = MazeGeometry(read_map(["000", "101", "000"]))  # the door: [-0.5, 0.5]
    assert move(maze, [0.35, 0.7], [0.0, -0.1]) == pytest.approx([0.35, 0.6])
    assert move(maze, [0.36, 0.7], [0.0, -0.1]) == pytest.approx([0.36, 0.65])


def test_beyond_the_map_is_wall():
    maze = MazeGeometry(read_map(["00"]))
    assert move(maze, [0.8, 0.3], [0.1, 0.1]) == pytest.approx([0.85, 0.35])
    assert not maze.fits(np.array([[5.0, 0.0], [0.0, -0.4], [np.nan, 0.0]])).any()


@pytest.mark.parametrize("name", LAYOUTS)
def test_agrees_with_asking_every_wall(name):
    maze = MazeGeometry(read_map(LAYOUTS[name]))
    boxes = wall_boxes(maze.walls)
    rng = np.random.default_rng(0)
    positions = rng.uniform(-maze.extent, maze.extent, (4000, 2))
    positions = positions[maze.fits(positions)]
    for _ in range(5):
        displacements = rng.uniform(-0.1, 0.1, positions.shape)
        expected = slide(boxes, positions, displacements)
        positions = maze.move(positions, displacements)
        np.testing.assert_allclose(positions, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["Medium", "Giant"])
def test_a_million_steps_never_enter_a_wall(name):
    maze = MazeGeometry(read_map(LAYOUTS[name]))
    boxes = wall_boxes(maze.walls)
    rng = np.random.default_rng(1)
    positions = maze.corners[rng.integers(4, size=512)]
    visited = set()
    for i in range(2000):
        if i % 20 == 0:  # keep a direction long enough to lean against walls
            heading = rng.uniform(-0.15, 0.15, positions.shape).clip(-0.1, 0.1)
        before = positions
        positions = maze.move(positions, heading)
        assert maze.fits(positions).all()
        assert (np.abs(positions - before) <= 0.1 + 1e-12).all()
        if i % 20 == 19:
            assert depth_in_walls(boxes, positions) < 1e-12
            visited |= set(map(tuple, np.floor(positions + maze.extent).tolist()))
    assert len(visited) > 0.4 * (~maze.walls).sum()


def test_moves_and_distances_take_any_batch():
    positions = np.broadcast_to([2.0, 2.0], (3, 4, 2))
    moved = MEDIUM.move(positions, np.full((3, 4, 2), 0.1))
    assert moved.shape == (3, 4, 2) and MEDIUM.fits(moved).shape == (3, 4)
    np.testing.assert_allclose(distances(moved, positions), np.sqrt(0.02))
    assert distances(np.float32([3, 4]), np.zeros(2, int)) == 5.0


def test_corner_cells_of_medium_are_the_four_outer_ones():
    corners = [[-2.5, 2.5], [2.5, 2.5], [-2.5, -2.5], [2.5, -2.5]]
    assert MEDIUM.corners.tolist() == corners


def test_corner_cells_of_a_corridor_are_its_ends():
    maze = MazeGeometry(read_map(LAYOUTS["Corridor"]))
    assert maze.corners.tolist() == [[-5.5, 0.0], [5.5, 0.0]]


def test_corner_cells_are_the_nearest_where_the_corners_are_walls():
    # Top left: (0, 1) and (1, 0) are equally near, the higher row wins.
    maze = MazeGeometry(read_map(["1001", "0000", "1111"]))
    assert maze.corners.tolist() == [[-0.5, 1.0], [0.5, 1.0], [-1.5, 0.0], [1.5, 0.0]]


@pytest.mark.parametrize("maze_map", [["00"], ["0", "0"], ["110", "100", "111"]])
def test_there_are_always_two_corner_cells(maze_map):
    assert len(MazeGeometry(read_map(maze_map)).corners) >= 2
