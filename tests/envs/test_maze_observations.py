import numpy as np
import pytest

from layeredrl.envs.layouts import LAYOUTS, read_map
from layeredrl.envs.maze_geometry import MazeGeometry
from layeredrl.envs.maze_observations import MazeObserver
from layeredrl.errors import ConfigurationError

MAZE = MazeGeometry(read_map(LAYOUTS["UMaze"]))
AGENT, GOAL = np.array([34, 94, 200]), np.array([58, 166, 85])
HERE, THERE = np.array([[-1.0, 1.0]] * 3), np.array([[1.0, -1.0]] * 3)
STEPS = np.array([0, 3, 4])


def observer(goal_steps=4, pixel_size=None):
    return MazeObserver(MAZE, 0.3, goal_steps=goal_steps, pixel_size=pixel_size)


def share_of(pictures, colour, other=(255, 255, 255)):
    """How much each pixel is of one colour rather than another, (..., H, W)."""
    line = np.asarray(colour, float) - other
    shares = ((pictures - np.asarray(other, float)) @ line) / (line @ line)
    drawn = np.abs(pictures - (other + shares[..., None] * line)).max(axis=-1) < 2
    return shares * drawn


def test_goals_that_are_always_shown():
    always = observer(None)
    obs = always.observe(HERE, THERE, STEPS)
    assert set(obs) == set(always.space)
    for key, expected in zip(always.space, (HERE, THERE, HERE)):
        assert key in ("achieved_goal", "desired_goal", "observation")
        assert np.array_equal(obs[key], expected)
    assert always.shows_goal(STEPS).all()


def test_goals_are_shown_for_the_first_steps_and_then_gone():
    memory = observer(4)
    obs = memory.observe(HERE, THERE, STEPS)
    hidden = [-2.5, -2.5]
    assert obs["desired_goal"].tolist() == [[1, -1], [1, -1], hidden]
    assert obs["observation"].tolist() == [[-1, 1, 1], [-1, 1, 1], [-1, 1, 0]]
    assert obs["achieved_goal"].tolist() == HERE.tolist()
    assert memory.shows_goal(STEPS).tolist() == [True, True, False]
    for i in range(3):
        assert {key: values[i] for key, values in obs.items()} in memory.space


@pytest.mark.parametrize("pixel_size", [None, 32])
def test_observations_do_not_depend_on_a_hidden_goal(pixel_size):
    memory = observer(1, pixel_size)
    late = np.ones(3, dtype=int)
    first, second = (memory.observe(HERE, goals, late) for goals in (THERE, -THERE))
    for key in first:
        assert np.array_equal(first[key], second[key])
    shown = [memory.observe(HERE, goals, 0 * late) for goals in (THERE, -THERE)]
    assert not np.array_equal(shown[0]["observation"], shown[1]["observation"]) or (
        pixel_size is None
    )
    assert not np.array_equal(shown[0]["desired_goal"], shown[1]["desired_goal"])


def test_pictures_show_the_goal_only_while_it_is_shown():
    memory = observer(4, 64)
    obs = memory.observe(HERE, THERE, STEPS)
    pictures = obs["observation"]
    assert pictures.shape == (3, 64, 64, 3) and pictures.dtype == np.uint8
    assert {key: values[0] for key, values in obs.items()} in memory.space
    has_goal = (pictures == GOAL).all(axis=-1).any(axis=(1, 2))
    has_agent = (pictures == AGENT).all(axis=-1).any(axis=(1, 2))
    assert has_goal.tolist() == [True, True, False] and has_agent.all()
    always = observer(None, 64).observe(HERE, THERE, STEPS)
    assert (always["observation"] == pictures[0]).all()
    assert np.array_equal(always["desired_goal"], THERE)


@pytest.mark.parametrize("layout", ["UMaze", "Giant"])
def test_pictures_tell_positions_to_a_fraction_of_a_pixel(layout):
    maze = MazeGeometry(read_map(LAYOUTS[layout]))
    pictures = MazeObserver(maze, 0.3, goal_steps=1, pixel_size=64)
    rng = np.random.default_rng(0)
    centre = maze.corners[0]
    positions = centre + rng.uniform(-0.2, 0.2, (200, 2))
    seen = pictures.observe(positions, positions, np.ones(200, int))["observation"]
    cover = share_of(seen, AGENT)
    across = (np.arange(64) + 0.5 - 32) * 2 * maze.extent.max() / 64
    total = cover.sum(axis=(1, 2))
    found = np.stack(
        [cover.sum(axis=1) @ across / total, cover.sum(axis=2) @ -across / total], 1
    )
    pixel = 2 * maze.extent.max() / 64
    errors = np.linalg.norm(found - positions, axis=1)
    assert errors.max() < 0.12 * pixel, errors.max() / pixel


def test_what_is_handed_out_is_the_callers():
    for kind in (observer(None), observer(4), observer(4, 16)):
        positions, goals = HERE.copy(), THERE.copy()
        for values in kind.observe(positions, goals, STEPS).values():
            values[:] = 7
        assert np.array_equal(positions, HERE) and np.array_equal(goals, THERE)
        again = kind.observe(positions, goals, STEPS)
        assert all((values != 7).any() for values in again.values())


def test_true_goals_come_from_infos_only_where_the_goal_is_hidden():
    memory = observer(4)
    desired = memory.observe(HERE, THERE, STEPS)["desired_goal"]
    told = {"goal": THERE + [[0.5, 0], [0.5, 0], [0, 0]]}
    assert np.array_equal(memory.true_goals(desired, told), THERE)
    rows = [{"goal": goal} for goal in told["goal"]]
    assert np.array_equal(memory.true_goals(desired, rows), THERE)
    assert memory.true_goals(desired[2], rows[2]).tolist() == [1, -1]
    assert np.array_equal(memory.true_goals(THERE, None), THERE)
    assert np.array_equal(memory.true_goals(0 * THERE, None), 0 * THERE)
    on_an_edge = np.array([-2.5, 1.0])
    assert np.array_equal(memory.true_goals(on_an_edge, None), on_an_edge)


@pytest.mark.parametrize("info", [None, {}, [{}], {"success": True}])
def test_rewards_of_hidden_goals_need_the_info(info):
    with pytest.raises(ConfigurationError, match="hidden: pass the info .* 'goal'"):
        observer(4).true_goals(np.array([[-2.5, -2.5]]), info)


def test_without_hiding_the_corner_is_a_goal_like_any():
    corner = np.array([-2.5, -2.5])
    assert observer(None).true_goals(corner, None) is corner


@pytest.mark.parametrize("goal_steps", [0, -3])
def test_a_goal_that_is_never_shown_is_refused(goal_steps):
    with pytest.raises(ConfigurationError, match=f"at least 1 .*, got {goal_steps}"):
        observer(goal_steps)


def test_pictures_of_too_few_pixels_are_refused():
    with pytest.raises(ConfigurationError, match="4 x 4 pixels is too small"):
        observer(None, 4)
