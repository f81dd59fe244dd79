"""Mazes whose goal is shown only at first, and mazes seen as pictures, from outside."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from layeredrl.envs import LAYOUTS, Maze2DEnv, Maze2DVectorEnv

OPEN = "Maze2D-MemoryGoal-Open-v0"
PIXELS = {"pixels": True, "pixel_size": 16}


@pytest.mark.parametrize("options", [{}, PIXELS])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_passes_gymnasiums_checker(layout, options):
    env_id = f"Maze2D-MemoryGoal-{layout}-v0"
    env = gym.make(env_id, render_mode="rgb_array", **options)
    check_env(env.unwrapped)
    env.reset(seed=0)
    env.step(env.action_space.sample())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_maze_can_be_seen_as_pictures(layout):
    env = gym.make(f"Maze2D-{layout}-v0", pixels=True, render_mode="rgb_array")
    check_env(env.unwrapped)
    box = env.observation_space["observation"]
    assert (box.shape, box.dtype) == ((64, 64, 3), np.uint8)
    assert (box.low == 0).all() and (box.high == 255).all()


@pytest.mark.parametrize("goal_steps", [1, 3, 5])
def test_the_goal_is_shown_for_the_first_observations(goal_steps):
    env = gym.make(OPEN, goal_steps=goal_steps)
    obs, info = env.reset(seed=1)
    goal, start = info["goal"], obs["achieved_goal"]
    for i in range(8):
        shown = i < goal_steps
        assert obs["observation"][2] == shown
        expected = goal if shown else [-3.5, -2.5]
        assert np.array_equal(obs["desired_goal"], expected)
        assert np.array_equal(info["goal"], goal)
        # Held while the goal is shown: where the agent is says nothing about it.
        moved = not np.array_equal(obs["achieved_goal"], start)
        assert moved == (i > goal_steps)
        obs, _, _, _, info = env.step(np.sign(-start).astype(np.float32))
    obs, info = env.reset()
    assert obs["observation"][2] == 1
    assert np.array_equal(obs["desired_goal"], info["goal"])


def test_the_default_is_five_steps():
    env = gym.make(OPEN)
    env.reset(seed=0)
    shown = [env.step(np.zeros(2, np.float32))[0]["observation"][2] for _ in range(8)]
    assert shown == [1, 1, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("reward_type", ["dense", "sparse"])
def test_rewards_are_of_the_true_goal_and_can_be_computed_again(reward_type):
    kwargs = {"reward_type": reward_type, "terminate_on_success": True}
    env = gym.make(OPEN, **kwargs, disable_env_checker=True).unwrapped
    plain = Maze2DEnv(layout="Open", **kwargs)
    options = {"start": (0.0, 0.0), "goal": (1.0, 0.0)}
    env.reset(options=options)
    succeeded = False
    for _ in range(20):
        obs, reward, terminated, _, info = env.step(np.array([1.0, 0.0]))
        goals = obs["achieved_goal"], obs["desired_goal"]
        assert reward == plain.compute_reward(goals[0], [1.0, 0.0])
        assert info["success"] == (np.abs(goals[0][0] - 1) <= 0.3)
        assert reward == env.compute_reward(*goals, info)
        assert terminated == env.compute_terminated(*goals, info) == info["success"]
        assert not env.compute_truncated(*goals, info)
        succeeded |= info["success"]
    assert succeeded


def test_rewards_of_many_are_computed_again_from_their_infos():
    env = gym.make_vec(OPEN, num_envs=6)
    env.reset(seed=0)
    for _ in range(70):
        obs, rewards, *_, infos = env.step(env.action_space.sample())
        again = env.compute_reward(obs["achieved_goal"], obs["desired_goal"], infos)
        begun = obs["observation"][:, 2] == 0
        assert np.array_equal(again[begun], rewards[begun])


def test_a_hidden_goal_is_in_no_observation():
    envs = [gym.make_vec(OPEN, num_envs=1, goal_steps=2) for _ in range(2)]
    for env, goal in zip(envs, [(2.0, 1.0), (-2.0, -1.0)], strict=True):
        env.reset(seed=0, options={"start": (0.0, 0.0), "goal": goal})
    rng = np.random.default_rng(0)
    for i in range(40):
        action = rng.uniform(-1, 1, (1, 2))
        first, second = (env.step(action)[0] for env in envs)
        for key in first:
            same = np.array_equal(first[key], second[key])
            assert same == (i > 0 or key != "desired_goal")


def play(env, place_at):
    """Walk to places for one episode; success at any step and at the last, (B,) each."""
    obs, infos = env.reset(seed=0)
    start, goals = np.sign(obs["achieved_goal"]), infos["goal"]
    ever = np.zeros(env.num_envs, bool)
    for i in range(60):
        wished = place_at(i, start, goals) - obs["achieved_goal"]
        obs, *_, truncated, infos = env.step(np.clip(10 * wished, -1, 1))
        ever |= infos["success"]
    assert truncated.all()
    return ever, infos["success"]


def test_who_remembers_succeeds_and_who_does_not_must_guess():
    env = gym.make_vec(OPEN, num_envs=600)
    ever, last = play(env, lambda i, start, goals: goals)
    assert ever.all() and last.all()
    # Waiting at one of the three corners it can be.
    for corner in ([2, -1], [-2, 1], [-2, -1]):
        _, last = play(env, lambda i, start, goals: start * corner)
        assert 0.25 < last.mean() < 0.4
    # A tour by the nearest corner; there is not the time for all three.
    for leave_at in (20, 22, 24):
        stops = [2, -1], [-2, -1]
        ever, last = play(env, lambda i, start, _: start * stops[i >= leave_at])
        assert 1 / 3 < ever.mean() < 0.7 and last.mean() < 0.4


def test_states_know_whether_the_goal_is_shown():
    for stop in (2, 9):
        env, other = Maze2DEnv(layout="Open", goal_steps=5, **PIXELS), None
        env.reset(seed=0)
        for _ in range(stop):
            env.step(np.ones(2))
        other = Maze2DEnv(layout="Open", goal_steps=5, **PIXELS)
        other.set_state(env.get_state())
        for _ in range(6):
            one, two = env.step(np.ones(2)), other.step(np.ones(2))
            np.testing.assert_equal(one, two)


def test_pictures_follow_the_agent_and_a_reset():
    env = Maze2DVectorEnv(3, layout="Medium", pixels=True)
    obs, _ = env.reset(seed=0)
    first = obs["observation"]
    moved = env.step(np.array([[1, 1], [0, 0], [-1, -1]]))[0]["observation"]
    changed = (moved != first).any(axis=(1, 2, 3))
    assert changed.tolist() == [True, False, True]
    again, _ = env.reset(seed=0)
    assert np.array_equal(again["observation"], first)


def test_people_are_always_shown_the_goal():
    kwargs = {"render_mode": "rgb_array", "render_size": (64, 64), "layout": "Open"}
    env = Maze2DEnv(goal_steps=1, pixels=True, **kwargs)
    obs, _ = env.reset(seed=0)
    assert np.array_equal(env.render(), obs["observation"])
    obs, *_ = env.step(np.zeros(2))
    assert not np.array_equal(env.render(), obs["observation"])
