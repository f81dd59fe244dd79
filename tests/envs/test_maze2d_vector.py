import time

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers import TimeLimit

from layeredrl.envs import Maze2DEnv, Maze2DVectorEnv
from layeredrl.errors import CheckpointError, ConfigurationError, ShapeError
from tests.envs import vector_runs
from tests.envs.vector_runs import check_state_continues, same

B = 5
MODES = ["NextStep", "SameStep", "Disabled"]
SHORT = {"maze_map": ["000", "010"], "terminate_on_success": True}


def native(mode="NextStep", limit=11, **options):
    return Maze2DVectorEnv(
        B, max_episode_steps=limit, autoreset_mode=mode, **{**SHORT, **options}
    )


def reference(mode, limit=11, **options):
    def single():
        return TimeLimit(Maze2DEnv(**{**SHORT, **options}), limit)

    return SyncVectorEnv([single] * B, autoreset_mode=mode)


def actions_for(obs, rng):
    """Towards the goal with some noise: every other episode ends by success."""
    wish = 10 * (obs["desired_goal"] - obs["achieved_goal"])
    return (np.clip(wish, -1, 1) + rng.normal(size=(B, 2))).astype(np.float32)


def play(env, n_steps, seed, **start):
    return vector_runs.play(env, n_steps, seed, actions_for, **start)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reward_type", ["dense", "sparse"])
@pytest.mark.parametrize("terminate_on_success", [False, True])
def test_agrees_with_the_single_environments(mode, reward_type, terminate_on_success):
    options = {"reward_type": reward_type, "terminate_on_success": terminate_on_success}
    ours, theirs = native(mode, **options), reference(mode, **options)
    n_terminated = n_truncated = 0
    for one, other in zip(play(ours, 120, 7), play(theirs, 120, 7), strict=True):
        same(one, other)
        if len(one) == 5:
            n_terminated += one[2].sum()
            n_truncated += one[3].sum()
    assert n_truncated > B and (n_terminated > B) == terminate_on_success


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("goal_steps", [None, 1, 4])
@pytest.mark.parametrize("pixels", [False, True])
def test_agrees_on_all_kinds_of_observations(mode, goal_steps, pixels):
    options = {"goal_steps": goal_steps, "pixels": pixels, "pixel_size": 12}
    ours, theirs = native(mode, **options), reference(mode, **options)
    assert ours.observation_space == theirs.observation_space
    n_ends = 0
    for one, other in zip(play(ours, 60, 7), play(theirs, 60, 7), strict=True):
        same(one, other)
        n_ends += sum(one[2] | one[3]) if len(one) == 5 else 0
        assert one[0] in ours.observation_space
    assert n_ends > 2 * B


@pytest.mark.parametrize("layout", ["Medium", "Giant", "Corridor"])
def test_agrees_on_the_standard_mazes(layout):
    options = {"maze_map": None, "layout": layout, "limit": 60}
    pairs = zip(
        play(native(**options), 150, 3),
        play(reference("NextStep", **options), 150, 3),
        strict=True,
    )
    for one, other in pairs:
        same(one, other)


def test_agrees_on_seeds_options_and_unseeded_resets():
    ours, theirs = native(), reference("NextStep")
    for seed in ([4, 9, 1, 1, 0], None, 12):
        options = {"start": (0.8, 0.5)} if seed is None else None
        same(
            ours.reset(seed=seed, options=options),
            theirs.reset(seed=seed, options=options),
        )
    assert ours.np_random_seed == theirs.np_random_seed
    states = [[g.bit_generator.state for g in env.np_random] for env in (ours, theirs)]
    assert states[0] == states[1]


def test_has_the_spaces_of_the_single_environments():
    ours, theirs = native(), reference("NextStep")
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.single_action_space == theirs.single_action_space
    assert ours.metadata == theirs.metadata
    obs, _ = ours.reset(seed=0)
    assert obs in ours.observation_space


def test_is_seeded_at_random_without_a_seed():
    first, second = native(), native()
    assert not np.array_equal(
        first.reset()[0]["observation"], second.reset()[0]["observation"]
    )
    assert len(set(first.np_random_seed)) == B


def test_next_step_ignores_the_actions_of_ended_instances():
    env = native(limit=2)
    env.reset(seed=0)
    env.step(np.zeros((B, 2)))
    *_, truncated, _ = env.step(np.zeros((B, 2)))
    assert truncated.all()
    obs, rewards, terminated, truncated, infos = env.step(np.full((B, 2), np.nan))
    assert not rewards.any() and not terminated.any() and not truncated.any()
    assert not infos["success"].any() and infos["_success"].all()
    with pytest.raises(ConfigurationError, match="instance 0, 1, 2, 3, 4 is NaN"):
        env.step(np.full((B, 2), np.nan))


def test_same_step_tells_how_the_episode_ended():
    env = native("SameStep", limit=100)
    start, goal = np.tile([-1.0, 0.5], (B, 1)), np.tile([1.0, 0.5], (B, 1))
    goal[2] = [-0.62, 0.5]
    env.reset(seed=0, options={"start": start, "goal": goal})
    obs, rewards, terminated, truncated, infos = env.step(np.tile([1.0, 0.0], (B, 1)))
    only = np.arange(B) == 2
    assert terminated.tolist() == only.tolist() and not truncated.any()
    assert infos["final_info"]["success"].tolist() == only.tolist()
    assert (
        infos["_final_info"].tolist() == infos["_final_obs"].tolist() == only.tolist()
    )
    assert infos["final_obs"][2]["achieved_goal"].tolist() == [-0.9, 0.5]
    assert infos["final_obs"][0] is None
    assert not infos["success"].any()  # of the new episode
    assert not np.array_equal(obs["desired_goal"][2], goal[2])
    assert rewards[2] == env.compute_reward([-0.9, 0.5], goal[2])


def test_disabled_wants_ended_instances_to_be_reset():
    env = native("Disabled", limit=1)
    first, _ = env.reset(seed=0)
    env.step(np.ones((B, 2)))
    with pytest.raises(gym.error.ResetNeeded, match=r"\[0, 1, 2, 3, 4\] are over"):
        env.step(np.ones((B, 2)))
    mask = np.arange(B) < 2
    options = {"reset_mask": mask}
    obs, infos = env.reset(options=options)
    assert (
        options == {"reset_mask": mask} and infos["_success"].tolist() == mask.tolist()
    )
    with pytest.raises(gym.error.ResetNeeded, match=r"\[2, 3, 4\] are over"):
        env.step(np.ones((B, 2)))


def test_what_was_handed_out_is_never_changed_and_may_be():
    ours, undisturbed = native("SameStep"), native("SameStep")
    kept = []
    for one, other in zip(play(ours, 40, 1), play(undisturbed, 40, 1), strict=True):
        same(one, other)
        copies = torch.utils._pytree.tree_map(np.copy, one[0])
        kept.append((one[0], copies))
    for now, before in kept:
        same(now, before)
    obs, *_ = ours.step(np.zeros((B, 2)))
    state = ours.get_state()["positions"]
    obs["observation"][:] = 9.0
    obs["desired_goal"][:] = 9.0
    assert np.array_equal(ours.get_state()["positions"], state)
    assert np.array_equal(obs["achieved_goal"], state)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stop", [0, 1, 11, 12, 37])
def test_a_state_continues_exactly(mode, stop):
    check_state_continues(native(mode), native(mode), stop, 60, play)


def test_states_of_other_sizes_are_refused():
    env, small = native(), Maze2DVectorEnv(2, **SHORT)
    env.reset(seed=0)
    with pytest.raises(CheckpointError, match=r"'positions'.*\(5, 2\).*needs \(2, 2\)"):
        small.set_state(env.get_state())


def test_the_registered_limit_truncates():
    env = gym.make_vec(
        "Maze2D-Medium-v0", num_envs=256, vectorization_mode="vector_entry_point"
    )
    assert isinstance(env, Maze2DVectorEnv)
    env.reset(seed=0)
    for i in range(400):
        *_, terminated, truncated, _ = env.step(np.zeros((256, 2), np.float32))
        assert truncated.all() if i == 399 else not truncated.any()
    obs, rewards, _, truncated, _ = env.step(np.ones((256, 2), np.float32))
    assert not truncated.any() and not rewards.any()


def test_the_limit_can_be_changed_or_left_out():
    for limit in (3, -1):
        env = gym.make_vec("Maze2D-Open-v0", num_envs=2, max_episode_steps=limit)
        env.reset(seed=0)
        for _ in range(3):
            *_, truncated, _ = env.step(np.zeros((2, 2)))
        assert truncated.all() == (limit == 3)


def test_wrong_arguments_are_refused():
    with pytest.raises(ConfigurationError, match="num_envs must be positive, got 0"):
        Maze2DVectorEnv(0)
    env = native()
    with pytest.raises(gym.error.ResetNeeded):
        env.step(np.zeros((B, 2)))
    with pytest.raises(gym.error.ResetNeeded, match="first reset"):
        env.reset(options={"reset_mask": np.arange(B) == 1})
    env.reset(seed=0)
    with pytest.raises(ShapeError, match=r"\(5, 2\), got \(2,\)"):
        env.step(np.zeros(2))


def test_renders_each_instance_and_its_plan():
    options = {"render_mode": "rgb_array", "render_size": (32, 48)}
    env = native(limit=2, **options)
    env.reset(seed=0)
    plain = env.render()
    assert len(plain) == B and plain[0].shape == (32, 48, 3)
    single = Maze2DEnv(**SHORT, **options)
    single.reset(seed=1)
    assert np.array_equal(plain[1], single.render())
    plans = np.full((B, 2, 2), np.nan)
    plans[1] = [[-1.0, 0.0], [1.0, 0.5]]
    env.show_plan(plans)
    changed = [not np.array_equal(a, b) for a, b in zip(plain, env.render())]
    assert changed == [False, True, False, False, False]
    for _ in range(3):
        env.step(np.zeros((B, 2)))
    with_old_plan = env.render()
    env.show_plan(None)
    same(with_old_plan, env.render())
    with pytest.warns(UserWarning, match="render_mode"):
        assert native().render() is None


@pytest.mark.slow
def test_a_million_steps_take_less_than_a_second():
    env = gym.make_vec("Maze2D-Medium-v0", num_envs=256)
    env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (100, 256, 2)).astype(np.float32)
    rates = []
    for _ in range(5):
        begin = time.perf_counter()
        for action in actions:
            env.step(action)
        rates.append(100 * 256 / (time.perf_counter() - begin))
    assert max(rates) > 1e6


@pytest.mark.slow
@pytest.mark.parametrize("n_instances", [64, 256])
def test_twenty_thousand_pictures_take_less_than_a_second(n_instances):
    env = gym.make_vec("Maze2D-UMaze-v0", num_envs=n_instances, pixels=True)
    env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (20, n_instances, 2))
    rates = []
    for _ in range(5):
        begin = time.process_time()
        for action in actions:
            env.step(action)
        rates.append(actions[..., 0].size / (time.process_time() - begin))
    assert max(rates) > 2e4
