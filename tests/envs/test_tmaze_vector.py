import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from layeredrl.collectors.environment_state import Restorable
from layeredrl.envs import TMazeEnv, TMazeVectorEnv
from layeredrl.errors import CheckpointError, ConfigurationError, ShapeError
from tests.envs import vector_runs
from tests.envs.vector_runs import check_state_continues, same

B = 5
MODES = ["NextStep", "SameStep", "Disabled"]


def native(mode="NextStep", **options):
    options = {"corridor_length": 2, "episode_steps": 5, **options}
    return TMazeVectorEnv(B, autoreset_mode=mode, **options)


def reference(mode, **options):
    options = {"corridor_length": 2, "episode_steps": 5, **options}
    return SyncVectorEnv([lambda: TMazeEnv(**options)] * B, autoreset_mode=mode)


def mostly_right(obs, rng):
    """Up or down at the junction: some episodes end there, some by their length."""
    there = obs[:, 1] == 1
    turns = rng.choice([0, 1, 3], B)
    return np.where(there, turns, rng.choice([0, 0, 0, 2], B))


def play(env, n_steps, seed, **start):
    return vector_runs.play(env, n_steps, seed, mostly_right, **start)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("episode_steps", [3, 6])
def test_agrees_with_the_single_environments(mode, episode_steps):
    envs = [make(mode, episode_steps=episode_steps) for make in (native, reference)]
    ends, successes = np.zeros(2), 0
    for one, other in zip(*(play(env, 120, 7) for env in envs), strict=True):
        same(one, other)
        assert one[0] in envs[0].observation_space
        if len(one) == 5:
            ends += one[2].sum(), one[3].sum()
            successes += one[1].astype(int).clip(0).sum()
    assert (ends > B).all() and B < successes < ends[0]


def test_has_the_spaces_of_the_single_environments():
    ours, theirs = native(), reference("NextStep")
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.single_action_space == theirs.single_action_space
    assert ours.metadata == theirs.metadata
    same(ours.reset(seed=0), theirs.reset(seed=0))
    same(ours.reset(options={"cue": -1}), theirs.reset(options={"cue": -1}))
    assert ours.reset()[0] in ours.observation_space


def test_cues_can_be_set_for_each_and_for_some():
    env = native()
    cues = [1, 1, -1, 1, -1]
    obs, _ = env.reset(options={"cue": cues})
    assert obs[:, 0].tolist() == cues
    mask = np.array([True, False, False, False, True])
    obs, infos = env.reset(options={"cue": -np.array(cues), "reset_mask": mask})
    assert obs[:, 0].tolist() == [-1, 1, -1, 1, 1]
    assert infos["_success"].tolist() == mask.tolist()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stop", [0, 1, 4, 5, 23])
def test_a_state_continues_exactly(mode, stop):
    check_state_continues(native(mode), native(mode), stop, 40, play)


def test_next_step_ignores_the_actions_of_ended_instances():
    env = native(episode_steps=3)
    env.reset(seed=0)
    for _ in range(3):
        *_, truncated, _ = env.step(np.full(B, 2))
    assert truncated.all()
    obs, rewards, terminated, truncated, infos = env.step(np.full(B, 99))
    assert not rewards.any() and not (terminated | truncated).any()
    assert not infos["success"].any() and (obs[:, 0] != 0).all()
    with pytest.raises(ConfigurationError, match="instance 0 is 99"):
        env.step(np.full(B, 99))


def test_a_lower_limit_can_be_given():
    env = gym.make_vec("TMaze-v0", num_envs=2, corridor_length=6, max_episode_steps=3)
    env.reset(seed=0)
    for i in range(3):
        *_, truncated, _ = env.step(np.zeros(2, int))
        assert truncated.all() == (i == 2)


def test_can_be_saved_with_a_run():
    assert isinstance(native(), Restorable)
    env = native()
    env.reset(seed=0)
    with pytest.raises(CheckpointError, match=r"\(5,\).*needs \(1,\)"):
        TMazeVectorEnv(1, corridor_length=2, episode_steps=5).set_state(env.get_state())


def test_wrong_arguments_are_refused():
    with pytest.raises(ConfigurationError, match="num_envs must be positive, got 0"):
        TMazeVectorEnv(0)
    env = native()
    with pytest.raises(gym.error.ResetNeeded):
        env.step(np.zeros(B, int))
    with pytest.raises(ShapeError, match=r"\(5,\), got \(5, 1\)"):
        env.step(np.zeros((B, 1), int))
    with pytest.raises(ShapeError, match=r"'cue' must have shape \(\) or \(5,\)"):
        env.reset(options={"cue": [1, 1]})


def test_renders_each_instance_like_a_single_one():
    env = native(render_mode="rgb_array")
    env.reset(seed=0)
    single = TMazeEnv(corridor_length=2, render_mode="rgb_array")
    single.reset(seed=3)
    pictures = env.render()
    assert len(pictures) == B and np.array_equal(pictures[3], single.render())
    with pytest.warns(UserWarning, match="render_mode"):
        native().render()


@pytest.mark.parametrize("corridor_length", [1, 30, 500])
def test_who_remembers_returns_one_and_who_does_not_a_half(corridor_length):
    env = TMazeVectorEnv(400, corridor_length=corridor_length)
    for remembers in (True, False):
        obs, _ = env.reset(seed=0)
        cue = obs[:, 0] if remembers else np.ones(400)
        returns = np.zeros(400)
        for _ in range(corridor_length + 1):
            there = obs[:, 1] == 1
            actions = np.where(there, np.where(cue > 0, 1, 3), 0)
            obs, rewards, terminated, _, infos = env.step(actions)
            returns += rewards
        assert terminated.all() and np.array_equal(returns, infos["success"])
        low, high = (1, 1) if remembers else (0.4, 0.6)
        assert low <= returns.mean() <= high
