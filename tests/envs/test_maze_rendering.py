import numpy as np
import pytest

from layeredrl.envs.layouts import LAYOUTS, read_map
from layeredrl.envs.maze_geometry import MazeGeometry
from layeredrl.envs.maze_rendering import MazeRenderer, check_render_mode
from layeredrl.errors import ConfigurationError, ShapeError

MAZE = MazeGeometry(read_map(LAYOUTS["Medium"]))
FLOOR, WALL = [255, 255, 255], [62, 66, 78]
GOAL, PLAN, AGENT = [58, 166, 85], [240, 150, 40], [34, 94, 200]
START, END = np.array([[-2.5, 2.5]]), np.array([[2.5, -2.5]])


def pixel(frame, x, y, scale=32):
    height, width = frame.shape[:2]
    return frame[int(height / 2 - y * scale), int(width / 2 + x * scale)].tolist()


def test_everything_is_where_it_should_be():
    plan = np.array([[[-2.5, 2.5], [0.5, 2.0], [2.5, -2.5]]])
    frames = MazeRenderer(MAZE.walls, 0.3).render(START, END, plan)
    assert frames.shape == (1, 256, 256, 3) and frames.dtype == np.uint8
    (frame,) = frames
    assert pixel(frame, -2.5, 2.5) == AGENT
    assert pixel(frame, -2.5 + 0.2, 2.5 + 0.1) == FLOOR
    assert pixel(frame, 2.5 + 0.2, -2.5 + 0.1) == GOAL
    assert pixel(frame, 2.5 + 0.3, -2.5 + 0.3) == FLOOR
    assert pixel(frame, 0.5, 2.0) == PLAN
    assert pixel(frame, -1.0, 2.25) == PLAN
    for row, cells in enumerate(LAYOUTS["Medium"]):
        for column, cell in enumerate(cells):
            corner = pixel(frame, column - 4 + 0.05, 4 - row - 0.05)
            assert corner == (WALL if cell == "1" else FLOOR)


def test_a_batch_is_drawn_like_each_alone():
    renderer = MazeRenderer(MAZE.walls, 0.3, (64, 64))
    rng = np.random.default_rng(0)
    positions, goals = rng.uniform(-4, 4, (2, 20, 2))
    plans = rng.uniform(-5, 5, (20, 6, 2))
    together = renderer.render(positions, goals, plans)
    discs_only = renderer.render(positions, goals)
    for i in range(20):
        rows = slice(i, i + 1)
        alone = renderer.render(positions[rows], goals[rows])
        assert np.array_equal(alone[0], discs_only[i])
        # Dots are as close as the longest line of the batch needs.
        planned = renderer.render(positions[rows], goals[rows], plans[rows])[0]
        assert (planned != together[i]).any(axis=-1).mean() < 0.02


def test_small_moves_show_in_small_pictures():
    renderer = MazeRenderer(MAZE.walls, 0.3, (64, 64))
    before = renderer.render(START, END)
    after = renderer.render(START + 0.02, END)
    assert (before != after).any()


def test_plans_with_nan_are_left_out():
    renderer = MazeRenderer(MAZE.walls, 0.3)
    two = np.repeat(START, 2, axis=0), np.repeat(END, 2, axis=0)
    plans = np.full((2, 3, 2), np.nan)
    plans[1] = [[-2.5, 2.5], [0.5, 0.5], [1.5, 0.5]]
    plain, planned = renderer.render(*two, plans)
    assert np.array_equal(plain, renderer.render(START, END)[0])
    assert pixel(planned, 1.5, 0.5) == PLAN
    one_point = renderer.render(START, END, np.array([[[0.5, 0.5]]]))[0]
    assert pixel(one_point, 0.5, 0.5) == PLAN


def test_goals_can_be_left_out_of_some_pictures():
    renderer = MazeRenderer(MAZE.walls, 0.3, (64, 64))
    positions, goals = np.repeat(START, 3, axis=0), np.repeat(END, 3, axis=0)
    goals[0] += 0.2
    shown = np.array([False, True, False])
    some = renderer.render(positions, goals, goal_shown=shown)
    assert np.array_equal(some[1], renderer.render(START, END)[0])
    assert np.array_equal(some[0], some[2]) and (some[0] != some[1]).any()
    assert not (some[[0, 2]] == GOAL).all(axis=-1).any()
    agents = renderer.render(START, START, goal_shown=np.array([False]))
    assert np.array_equal(some[0], agents[0])


def test_other_proportions_are_filled_with_wall():
    maze = MazeGeometry(read_map(["00"]))
    frame = MazeRenderer(maze.walls, 0.3, (40, 40)).render(
        np.array([[-0.5, 0.0]]), np.array([[0.5, 0.0]])
    )[0]
    assert (frame[:10] == WALL).all() and (frame[30:] == WALL).all()
    assert frame[11, 1].tolist() == FLOOR
    assert frame[20, 10].tolist() == AGENT and frame[20, 30].tolist() == GOAL


def test_what_reaches_over_the_edge_is_cut_off():
    maze = MazeGeometry(read_map(["00"]))
    frame = MazeRenderer(maze.walls, 0.3).render(
        np.array([[-0.85, 0.35]]), np.array([[1.0, 0.5]])
    )[0]
    assert frame[0, -1].tolist() == GOAL
    assert frame[0, 0].tolist() == FLOOR  # nothing wrapped around


def test_pictures_smaller_than_the_maze_are_refused():
    with pytest.raises(ConfigurationError, match="7 x 64 .* 8 x 8"):
        MazeRenderer(MAZE.walls, 0.3, (7, 64))


def test_plans_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"\(1, T, 2\), got \(3, 2\)"):
        MazeRenderer(MAZE.walls, 0.3).render(START, END, np.zeros((3, 2)))


def test_render_modes():
    assert check_render_mode(None) is None
    assert check_render_mode("rgb_array") == "rgb_array"
    with pytest.raises(ConfigurationError, match="'human'; known: rgb_array"):
        check_render_mode("human")
