import dataclasses
import io

import numpy as np
import pytest
from gymnasium import spaces
from matplotlib import pyplot as plt
from PIL import Image

from experiments.figures import (
    Walls,
    calibration_figure,
    episode_gif,
    find_walls,
    model_figure,
    outcome_figure,
    plan_figure,
    skills_figure,
    view_of,
)
from experiments.running.environments import make_vector_env
from layeredrl.diagnostics import CalibrationConfig, calibrate, outcome_errors
from tests.diagnostics.worlds import noisy_recording, predictor
from tests.toys import ACTIONS

WALLS = Walls(np.array([[1, 1, 1], [1, 0, 1]], bool), 2.0, (-3.0, 2.0))


@pytest.fixture(autouse=True)
def all_figures_are_closed():
    yield
    plt.close("all")


def recorded(places=True, n_episodes=4, length=8, **options):
    recording = noisy_recording(n_episodes, length, **options)
    if not places:
        return recording
    goals = np.ones_like(recording.state)
    return dataclasses.replace(
        recording, achieved_goal=recording.state, desired_goal=goals
    )


def test_walls_of_our_mazes_are_where_nobody_fits():
    env = make_vector_env("Maze2D-Medium-v0", 1, {})
    walls = find_walls(env)
    assert walls.limits == (-4.0, 4.0, -4.0, 4.0)
    rows, columns = np.indices(walls.is_wall.shape)
    centers = np.stack([columns + 0.5 - 4.0, 4.0 - rows - 0.5], axis=-1)
    fits = env.unwrapped.task.maze.fits(centers)
    assert np.array_equal(fits, ~walls.is_wall)


def test_walls_of_robotics_mazes_are_found():
    pytest.importorskip("gymnasium_robotics")
    env = make_vector_env("PointMaze_UMaze-v3", 1, {})
    walls = find_walls(env)
    maze = env.unwrapped.envs[0].unwrapped.maze
    x, y = maze.cell_rowcol_to_xy(np.array([1, 2]))
    column = int((x - walls.corner[0]) / walls.cell)
    row = int((walls.corner[1] - y) / walls.cell)
    assert (row, column) == (1, 2) and not walls.is_wall[1, 2] and walls.is_wall[0, 0]
    env.close()


def test_other_environments_have_no_walls():
    assert find_walls(make_vector_env("CartPole-v1", 1, {})) is None


def test_the_view_is_that_of_places_where_they_are_told():
    recording = recorded()
    swapped = dataclasses.replace(recording, achieved_goal=recording.state[:, ::-1])
    view = view_of(swapped, WALLS)
    assert view.columns == (1, 0) and view.limits == (-3.0, 3.0, -2.0, 2.0)
    assert view_of(recording, None).is_place
    assert not view_of(recorded(places=False), WALLS).is_place
    flat = {
        name: getattr(recording, name)[..., :1]
        for name in ("state", "reached", "planned")
    }
    line = dataclasses.replace(recording, **flat, achieved_goal=None, desired_goal=None)
    assert view_of(line, None) is None


@pytest.mark.parametrize("places", [True, False])
def test_everything_can_be_drawn(places):
    recording = recorded(places)
    model = predictor(0.2)
    errors = outcome_errors(recording, model)
    calibration = calibrate(recording, model, 0, CalibrationConfig(n_samples=8))
    view = view_of(recording, WALLS if places else None)
    figures = [
        plan_figure(recording.of_episode(0), view if places else None),
        model_figure(recording, errors, "A title"),
        outcome_figure(recording, errors, ACTIONS),
        calibration_figure(calibration),
        skills_figure(recording, model, ACTIONS, view, n_repeats=1 + places),
    ]
    for figure in figures:
        figure.savefig(io.BytesIO(), dpi=40)


@pytest.mark.parametrize(
    "space",
    [spaces.Discrete(2), spaces.Box(-1, 1, (2,)), spaces.Box(-1, 1, (1,))],
    ids=str,
)
def test_errors_by_skill_of_every_kind(space):
    recording = recorded()
    errors = outcome_errors(recording, predictor(0.2))
    if space.shape == (1,):
        recording = dataclasses.replace(recording, action=recording.action[:, :1])
    outcome_figure(recording, errors, space).savefig(io.BytesIO(), dpi=40)


def test_an_episode_of_one_decision_has_nothing_to_compare():
    recording = recorded(length=1)
    errors = outcome_errors(recording, predictor(0.2))
    assert model_figure(recording, errors, "A title") is None


def frames_of(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.n_frames, image.size


def test_an_episode_moves():
    recording = recorded().of_episode(0)
    view = view_of(recording, WALLS)
    assert frames_of(episode_gif(recording, view, "A title")) == (8, (400, 400))


def test_an_episode_is_made_to_fit():
    recording = recorded(length=16).of_episode(0)
    view = view_of(recording, None)
    whole = episode_gif(recording, view, "A title")
    less = episode_gif(recording, view, "A title", most_bytes=2 * len(whole) // 3)
    assert 0 < len(less) <= 2 * len(whole) // 3
    assert frames_of(less)[0] < frames_of(whole)[0] == 16
    assert episode_gif(recording, view, "A title", most_bytes=10) == b""


def test_pictures_of_the_environment_stand_beside():
    recording = recorded().of_episode(0)
    pictures = [np.full((50, 100, 3), 20 * i, np.uint8) for i in range(8)]
    view = view_of(recording, None)
    assert frames_of(episode_gif(recording, view, "A title", pictures))[1] == (
        1200,
        400,
    )
    assert frames_of(episode_gif(recording, None, "A title", pictures))[1] == (800, 400)
    assert episode_gif(recording, None, "A title") == b""
