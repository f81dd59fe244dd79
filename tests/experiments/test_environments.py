import subprocess
import sys

import gymnasium as gym
import pytest
from gymnasium.vector import SyncVectorEnv

from experiments.running import environments
from experiments.running.environments import make_vector_env
from layeredrl.envs import Maze2DVectorEnv
from layeredrl.errors import ConfigurationError


def test_a_native_vector_environment_is_preferred():
    env = make_vector_env("Maze2D-Open-v0", 3, {})
    assert isinstance(env.unwrapped, Maze2DVectorEnv)
    assert env.num_envs == 3


def test_others_are_stepped_in_this_process():
    env = make_vector_env("Pendulum-v1", 2, {})
    assert isinstance(env.unwrapped, SyncVectorEnv)
    env.close()


def test_keyword_arguments_reach_the_environment():
    env = make_vector_env("Maze2D-Open-v0", 1, {"position_noise": 0.0})
    first, _ = env.reset(seed=0)
    positions = {tuple(env.reset()[0]["observation"][0]) for _ in range(20)}
    assert len(positions) <= 4


def test_an_unknown_id_names_near_ones():
    with pytest.raises(ConfigurationError, match="Maze2D-Medium-v0"):
        make_vector_env("Maze2D-Medum-v0", 1, {})


def test_without_the_robots_it_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr(environments, "_PACKAGES", ("no_robots_here",))
    with pytest.raises(ConfigurationError, match="no_robots_here.*pip install"):
        make_vector_env("FetchReachDens-v4", 1, {})


def test_robots_do_not_speak_first():
    code = "from experiments.running.environments import register_environments as r; print(r())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "Adroit" not in done.stderr


def test_the_module_of_an_environment_is_imported(tmp_path, monkeypatch):
    (tmp_path / "brings_one.py").write_text(
        "import gymnasium as gym\n"
        "from gymnasium.envs.classic_control import PendulumEnv\n"
        "gym.register('Brought-v0', PendulumEnv, max_episode_steps=5)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    env = make_vector_env("brings_one:Brought-v0", 2, {})
    assert env.num_envs == 2
    env.close()


@pytest.mark.parametrize("module", ["nowhere", "layeredrl.nowhere"])
def test_a_module_that_is_not_there_is_named(module):
    with pytest.raises(ConfigurationError, match=f"cannot import '{module}'"):
        make_vector_env(f"{module}:Pendulum-v1", 1, {})


def test_an_unknown_argument_is_named():
    with pytest.raises(ConfigurationError, match="colour"):
        make_vector_env("Maze2D-Open-v0", 1, {"colour": "red"})


@pytest.mark.parametrize(
    ("env_id", "env_kwargs"),
    [
        ("PointMaze_UMaze-v3", {"maze_map": "foo"}),
        ("Maze2D-Open-v0", {"maze": "foo"}),
        ("Maze2D-Open-v0", {"colour": 1}),
        ("CartPole-v1", {"render_mode": 3, "colour": 1}),
    ],
)
def test_arguments_that_an_environment_cannot_use_are_named(env_id, env_kwargs):
    with pytest.raises(ConfigurationError) as caught:
        make_vector_env(env_id, 1, env_kwargs)
    assert str(next(iter(env_kwargs.values()))) in str(caught.value)


def test_a_defect_of_an_environment_is_shown_in_full(monkeypatch):
    def broken():
        raise ValueError("a defect")

    gym.register("Broken-v0", broken)
    with pytest.raises(ValueError, match="a defect"):
        make_vector_env("Broken-v0", 1, {})
    gym.registry.pop("Broken-v0")
