import numpy as np
import pytest

from layeredrl.envs.layouts import LAYOUTS, read_map
from layeredrl.envs.maze_geometry import MazeGeometry, distances
from layeredrl.envs.spawning import Spawner, check_reset_options
from layeredrl.errors import ConfigurationError, ShapeError


def spawner(name="Medium", noise=0.25, min_distance=0.3):
    return Spawner(MazeGeometry(read_map(LAYOUTS[name])), noise, min_distance)


def generators(n, seed=0):
    return [np.random.default_rng([seed, i]) for i in range(n)]


def test_medium_without_noise_has_twelve_pairs_equally_often():
    starts, goals = spawner(noise=0.0).draw(generators(6000))
    pairs, counts = np.unique(np.hstack([starts, goals]), axis=0, return_counts=True)
    assert len(pairs) == 12
    assert counts.min() > 400 and counts.max() < 600


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("noise", [0.1, 0.25, 0.35])
def test_noise_is_uniform_and_starts_are_apart_from_goals(name, noise):
    spawn = spawner(name, noise)
    starts, goals = spawn.draw(generators(1000))
    assert (distances(starts, goals) > 0.3).all()
    for positions in (starts, goals):
        gaps = np.abs(positions[:, None] - spawn.maze.corners).max(axis=-1).min(axis=1)
        assert 0.95 * noise < gaps.max() <= noise + 1e-12
        assert spawn.maze.fits(positions).all()


def test_each_instance_draws_from_its_own_generator_alone():
    spawn = spawner()
    together = spawn.draw(generators(5))
    for i, generator in enumerate(generators(5)):
        alone = spawn.draw([generator])
        assert np.array_equal(alone[0][0], together[0][i])
        assert np.array_equal(alone[1][0], together[1][i])


def test_tries_within_the_goal_radius_are_drawn_again():
    spawn = spawner("Open", min_distance=4.0)  # two of the three others are nearer
    starts, goals = spawn.draw(generators(300))
    assert (distances(starts, goals) > 4.0).all()


def test_given_places_are_used_and_the_other_is_drawn():
    spawn = spawner()
    start = np.broadcast_to([-2.5, 2.5], (200, 2))
    starts, goals = spawn.draw(generators(200), start=start)
    assert np.array_equal(starts, start)
    assert (distances(starts, goals) > 0.3).all()
    assert len(np.unique(np.sign(goals), axis=0)) == 4  # its own cell, but apart
    starts, goals = spawn.draw(generators(200), goal=start)
    assert np.array_equal(goals, start)
    assert (distances(starts, goals) > 0.3).all()


@pytest.mark.parametrize("name", ["start", "goal"])
@pytest.mark.parametrize("place", [[0.0, 3.5], [-0.5, 2.5], [-1.1, 2.5], [np.nan, 0.0]])
def test_places_in_walls_are_refused(name, place):
    with pytest.raises(ConfigurationError, match=rf"{name} \(.*in a wall"):
        spawner().draw(generators(1), **{name: np.array([place])})


def test_a_start_at_the_goal_is_refused():
    places = {"start": np.array([[2.5, 2.5]]), "goal": np.array([[2.5, 2.3]])}
    with pytest.raises(ConfigurationError, match="within the goal radius"):
        spawner().draw(generators(1), **places)


@pytest.mark.parametrize("noise", [-0.1, 0.36, float("nan")])
def test_noise_that_reaches_into_walls_is_refused(noise):
    with pytest.raises(ConfigurationError, match="position_noise"):
        spawner(noise=noise)


def test_reset_options_are_read():
    given = check_reset_options({"start": [1, 2], "goal": None}, 3)
    assert given["start"].tolist() == [[1.0, 2.0]] * 3 and given["goal"] is None
    each = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(check_reset_options({"goal": each}, 3)["goal"], each)
    assert check_reset_options(None, 3) == {"start": None, "goal": None}


def test_wrong_reset_options_are_refused():
    with pytest.raises(ConfigurationError, match="'strat'; known: start, goal"):
        check_reset_options({"strat": [0, 0]}, 1)
    with pytest.raises(ShapeError, match=r"'goal' must have shape \(2,\) or \(3, 2\)"):
        check_reset_options({"goal": np.zeros((2, 2))}, 3)
