"""Pushes in the middle of skills, and what is measured of them."""

import dataclasses
import json
import sys

import gymnasium as gym
import numpy as np
import pytest

from experiments import dads, pushes, splates
from experiments.disturbances import Disturbed, PushedMaze, Pushes, disturb
from experiments.running.environments import make_vector_env
from experiments.running.training import run_and_report
from layeredrl.errors import ConfigurationError
from tests.experiments.test_skills import TINY

N = 3


def pushed_maze(length):
    env = make_vector_env("Maze2D-Open-v0", N, {})
    once = np.full(N, 1)
    return PushedMaze(env, Pushes(once, 2 * once, np.asarray(length)))


def walk(env):
    """Everybody starts at the same place and goes right; positions after each step."""
    obs, _ = env.reset(seed=0, options={"start": np.tile([-0.7, 0.4], (N, 1))})
    right = np.tile(np.array([1.0, 0.0], np.float32), (N, 1))
    seen = [obs["achieved_goal"].copy()]
    for _ in range(3):
        obs, *_ = env.step(right)
        seen.append(obs["achieved_goal"].copy())
    return np.array(seen)


def test_agents_are_moved_to_the_side_of_where_they_go():
    env = pushed_maze([0.3, -0.5, 0.0])
    seen = walk(env)
    np.testing.assert_allclose(seen[2] - seen[2, 2], env.pushed, atol=1e-6)
    np.testing.assert_allclose(env.pushed, [[0, 0.3], [0, -0.5], [0, 0]], atol=1e-9)
    np.testing.assert_allclose(seen[3] - seen[2], seen[1] - seen[0], atol=1e-6)


def test_they_are_pushed_in_every_episode_and_walls_stop_pushes():
    env = pushed_maze([100.0, 0.3, 0.3])
    first = walk(env)
    assert (walk(env) == first).all()
    assert 0.5 < env.pushed[0, 1] < 10.0 and env.observation_space["observation"]
    assert abs(env.pushed[0, 0]) < 1e-9


def test_only_our_mazes_can_be_pushed():
    env = gym.make_vec("CartPole-v1", num_envs=N, vectorization_mode="sync")
    with pytest.raises(ConfigurationError, match="only agents in Maze2D"):
        PushedMaze(env, Pushes(np.zeros(N), np.ones(N), np.ones(N)))


def test_what_is_corrected_is_the_share_of_the_push_that_is_gone():
    calm = np.full((40, 3), 0.1)
    pushed = np.tile([0.1, 0.5, 0.2], (40, 1))
    ones = np.ones(40)
    numbers = Disturbed("m", "m, seed 0", pushed, calm, 0.4 * ones, ones, 1).numbers()
    assert numbers["corrected"]["value"] == pytest.approx(0.75)
    assert numbers["end_pushed"]["value"] == pytest.approx(0.2)
    assert numbers["n_pushes"] == 40


@pytest.fixture(scope="module", params=[splates, dads])
def run_folder(request, tmp_path_factory):
    """A run of a few steps: its skills go anywhere, but they go."""
    name = request.param.__name__.split(".")[-1]
    options = {} if name == "splates" else {"learner_options": ("hidden_sizes=(8,)",)}
    place = tmp_path_factory.mktemp(name) / "run"
    arguments = dataclasses.replace(
        TINY, env_kwargs=(), total_env_steps=80, test_interval=0, run_dir=place
    )
    arguments = dataclasses.replace(arguments, **options)
    build = request.param.build_levels
    run_and_report(name, arguments, lambda env: build(arguments, env), lambda run: None)
    return place


def test_the_start_of_a_pushed_skill_is_that_of_the_skill_left_alone(run_folder):
    found = disturb(run_folder, 6, 0.1, seed=1)
    assert found.pushed.shape == found.calm.shape == (6, 5)  # four steps each
    assert found.step == 2
    np.testing.assert_allclose(found.pushed[:, :2], found.calm[:, :2], atol=1e-5)
    np.testing.assert_allclose(found.calm[:, 0], found.way, rtol=1e-4)
    moved = np.abs(found.pushed[:, 2] - found.calm[:, 2])
    assert (moved <= 0.1 + 1e-5).all() and moved.max() > 1e-3
    assert ((found.push >= 0.09) & (found.push <= 0.1 + 1e-9)).all()


def test_pushes_that_no_maze_has_room_for_are_named(run_folder):
    with pytest.raises(ConfigurationError, match="walls stopped all but"):
        disturb(run_folder, 6, 50.0, seed=1)


def test_numbers_and_picture_are_written(run_folder, tmp_path, monkeypatch, capsys):
    output = tmp_path / "pushes"
    words = [str(run_folder), "--pushes", "5", "--length", "0.1"]
    monkeypatch.setattr(sys, "argv", ["pushes", *words, "--output", str(output)])
    pushes.run()
    content = json.loads((output / "pushes.json").read_text())
    assert content["runs"][0]["n_pushes"] == 5
    assert (output / "pushes.png").stat().st_size > 5000
    printed = capsys.readouterr()
    assert "5 pushes each, by 0.10 cells" in printed.out
    for what in ("left alone", "pushed"):  # a bar for each, step by step
        assert f"seed 0, {what}: 100%" in printed.err
    assert "12/12" in printed.err


@pytest.mark.parametrize("change", [{"pushes": 0}, {"length": 0.0}, {"runs": ()}])
def test_numbers_that_cannot_work_are_named(change, tmp_path):
    with pytest.raises(ConfigurationError, match="must be at least one run"):
        pushes.PushArguments(**{"runs": (tmp_path,)} | change)
