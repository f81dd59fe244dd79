import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from layeredrl.envs import LAYOUTS, Maze2DEnv
from layeredrl.errors import CheckpointError, ConfigurationError, ShapeError

TWO_CELLS = ["00"]


def make(**options):
    return Maze2DEnv(**{"layout": "Open", **options})


def towards_goal(obs):
    return np.clip(10 * (obs["desired_goal"] - obs["achieved_goal"]), -1, 1)


@pytest.mark.parametrize("reward_type", ["dense", "sparse"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_passes_gymnasiums_checker(layout, reward_type):
    options = {"reward_type": reward_type, "render_mode": "rgb_array"}
    check_env(gym.make(f"Maze2D-{layout}-v0", **options).unwrapped)


def test_passes_the_checks_of_every_step():
    env = gym.make("Maze2D-Medium-v0", render_mode="rgb_array")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.render()


def test_a_walk_by_hand():
    env = make(position_noise=0)
    obs, info = env.reset(options={"start": [-2.0, 1.0], "goal": [-1.4, 1.0]})
    assert obs["observation"].tolist() == obs["achieved_goal"].tolist() == [-2.0, 1.0]
    assert obs["desired_goal"].tolist() == [-1.4, 1.0] and info == {"success": False}
    diagonal = np.hypot(7, 5)
    for i, success in enumerate([False, False, False, True], start=1):
        obs, reward, terminated, truncated, info = env.step(np.array([0.8, 0.0]))
        assert obs["achieved_goal"] == pytest.approx([-2 + 0.08 * i, 1.0])
        assert reward == pytest.approx(-(0.6 - 0.08 * i) / diagonal)
        assert (terminated, truncated) == (False, False)
        assert info == {"success": success}
        assert type(reward) is float and type(info["success"]) is bool


@pytest.mark.parametrize("terminate_on_success", [False, True])
def test_success_ends_an_episode_only_if_asked(terminate_on_success):
    env = make(terminate_on_success=terminate_on_success, reward_type="sparse")
    obs, _ = env.reset(seed=0)
    for _ in range(100):
        obs, reward, terminated, _, info = env.step(towards_goal(obs))
        assert reward == float(info["success"])
        assert terminated == (info["success"] and terminate_on_success)
        if info["success"]:
            break
    assert info["success"]


@pytest.mark.parametrize("reward_type", ["dense", "sparse"])
@pytest.mark.parametrize("terminate_on_success", [False, True])
def test_rewards_and_ends_can_be_computed_again(reward_type, terminate_on_success):
    env = make(
        reward_type=reward_type,
        terminate_on_success=terminate_on_success,
        maze_map=TWO_CELLS,
    )
    obs, _ = env.reset(seed=0)
    achieved, desired, rewards, ends = [], [], [], []
    for _ in range(30):
        obs, reward, terminated, truncated, info = env.step(towards_goal(obs))
        goals = obs["achieved_goal"], obs["desired_goal"]
        assert reward == env.compute_reward(*goals, info)
        assert terminated == env.compute_terminated(*goals, info)
        assert truncated == env.compute_truncated(*goals, info)
        achieved.append(goals[0]), desired.append(goals[1])
        rewards.append(reward), ends.append(terminated)
    achieved, desired = np.array(achieved), np.array(desired)
    assert env.compute_reward(achieved, desired, {}).tolist() == rewards
    assert env.compute_terminated(achieved, desired, {}).tolist() == ends
    assert not env.compute_truncated(achieved, desired, {}).any()
    grid = env.compute_reward(achieved[:, None], desired[None], {})
    assert grid.shape == (30, 30) and np.diag(grid).tolist() == rewards
    assert len(set(ends)) == 1 + terminate_on_success


def test_the_goal_radius_is_inclusive_at_three_tenths():
    env = make(reward_type="sparse")
    achieved = np.array([[0.29, 0.0], [0.31, 0.0], [0.3, 0.0], [0.22, 0.22]])
    assert env.compute_reward(achieved, np.zeros(2), {}).tolist() == [1, 0, 1, 0]


def test_the_registered_limit_truncates():
    env = gym.make("Maze2D-UMaze-v0")
    env.reset(seed=0)
    for i in range(400):
        *_, terminated, truncated, info = env.step(np.zeros(2, np.float32))
        assert (terminated, truncated) == (False, i == 399)
    assert info == {"success": False}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"start": [0.0, 1.9]}, ConfigurationError, "start .* in a wall"),
        ({"goal": [9.0, 0.0]}, ConfigurationError, "goal .* in a wall"),
        ({"goal": [0.0, 0.0, 0.0]}, ShapeError, "'goal' must have shape"),
        ({"reset_mask": [True]}, ConfigurationError, "unknown reset option"),
    ],
)
def test_wrong_reset_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        make().reset(options=options)


def test_wrong_actions_are_refused_and_change_nothing():
    env = make()
    env.reset(seed=0)
    before = env.get_state()["positions"]
    with pytest.raises(ConfigurationError, match="NaN"):
        env.step(np.array([0.0, np.nan]))
    with pytest.raises(ShapeError, match=r"\(2,\), got \(1, 2\)"):
        env.step(np.zeros((1, 2)))
    assert np.array_equal(env.get_state()["positions"], before)


@pytest.mark.parametrize("call", ["render", "get_state", "step"])
def test_a_reset_is_needed_first(call):
    env = make(render_mode="rgb_array")
    arguments = [np.zeros(2)] if call == "step" else []
    with pytest.raises(gym.error.ResetNeeded):
        getattr(env, call)(*arguments)


def test_a_state_continues_exactly_in_another_environment():
    env = make(layout="Medium", terminate_on_success=True)
    env.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(25):
        env.step(rng.uniform(-1, 1, 2))
    env.reset()
    env.step(rng.uniform(-1, 1, 2))
    other = make(layout="Medium", terminate_on_success=True)
    other.set_state(env.get_state())
    for i in range(60):
        if i % 20 == 10:
            first, second = env.reset(), other.reset()
        else:
            action = rng.uniform(-1, 1, 2)
            first, second = env.step(action), other.step(action)
        np.testing.assert_equal(first, second)


def test_a_state_is_a_copy_both_ways():
    env = make()
    env.reset(seed=0)
    state = env.get_state()
    kept = state["positions"].copy()
    env.step(np.ones(2))
    assert np.array_equal(state["positions"], kept)
    env.set_state(state)
    env.step(np.ones(2))
    assert np.array_equal(state["positions"], kept)


def test_a_state_of_another_maze_is_refused():
    env = make()
    env.reset(seed=0)
    with pytest.raises(CheckpointError, match="another environment"):
        make(layout="UMaze").set_state(env.get_state())


def test_rendering_shows_the_plan_until_the_next_episode():
    env = make(render_mode="rgb_array", render_size=(50, 70))
    env.reset(seed=0)
    plain = env.render()
    assert plain.shape == (50, 70, 3) and plain.dtype == np.uint8
    env.show_plan(np.array([[-2.0, 0.0], [2.0, 0.0]]))
    assert not np.array_equal(env.render(), plain)
    env.show_plan(None)
    assert np.array_equal(env.render(), plain)
    env.show_plan(np.zeros((3, 2)))
    env.reset(seed=0)
    assert np.array_equal(env.render(), plain)


def test_rendering_without_a_mode_warns():
    env = make()
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode"):
        assert env.render() is None
