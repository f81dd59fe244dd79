import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from layeredrl.collectors.environment_state import Restorable
from layeredrl.envs import CartPoleNoVelocityEnv, CartPoleNoVelocityVectorEnv
from layeredrl.errors import CheckpointError, ConfigurationError, ShapeError
from tests.envs import vector_runs
from tests.envs.vector_runs import check_state_continues, same

B = 5
MODES = ["NextStep", "SameStep", "Disabled"]


def native(mode="NextStep", **options):
    return CartPoleNoVelocityVectorEnv(B, autoreset_mode=mode, **options)


def reference(mode, **options):
    return SyncVectorEnv(
        [lambda: CartPoleNoVelocityEnv(**options)] * B, autoreset_mode=mode
    )


def against_the_lean(obs, rng):
    """Some episodes end with a fall, some by their length."""
    return np.where(rng.random(B) < 0.7, obs[:, 1] > 0, rng.random(B) < 0.5).astype(int)


def play(env, n_steps, seed, **start):
    return vector_runs.play(env, n_steps, seed, against_the_lean, **start)


@pytest.mark.parametrize("mode", MODES)
def test_agrees_with_the_single_environments(mode):
    envs = [make(mode, episode_steps=25) for make in (native, reference)]
    ends, lasted, successes = np.zeros(2), 0, 0
    for one, other in zip(*(play(env, 300, 7) for env in envs), strict=True):
        same(one, other)
        if len(one) == 5:
            ends += one[2].sum(), one[3].sum()
            lasted += (one[3] & ~one[2]).sum()
            infos = one[4].get("final_info", one[4])
            successes += infos["success"].sum()
    assert (ends > B).all() and successes == lasted > B


def test_has_the_spaces_of_the_single_environments():
    ours, theirs = native(), reference("NextStep")
    for name in ("observation_space", "action_space", "metadata"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.single_observation_space == theirs.single_observation_space
    state = np.random.default_rng(0).uniform(-0.1, 0.1, 4)
    options = {"state": state}
    same(ours.reset(options=options), theirs.reset(options=options))


def test_starts_can_be_set_for_each_and_for_some():
    env = native()
    states = np.arange(4.0 * B).reshape(B, 4) / 100
    obs, _ = env.reset(options={"state": states})
    np.testing.assert_allclose(obs, states[:, ::2])
    mask = np.array([True, False, False, False, True])
    obs, _ = env.reset(options={"state": -states, "reset_mask": mask})
    signs = np.where(mask, -1, 1)[:, None]
    np.testing.assert_allclose(obs, signs * states[:, ::2])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stop", [0, 1, 24, 25, 60])
def test_a_state_continues_exactly(mode, stop):
    env, other = native(mode, episode_steps=25), native(mode, episode_steps=25)
    check_state_continues(env, other, stop, 40, play, through=dict)


def test_next_step_ignores_the_actions_of_ended_instances():
    env = native(episode_steps=1)
    env.reset(seed=0)
    env.step(np.zeros(B, int))
    obs, rewards, *_ = env.step(np.full(B, 99))
    assert not rewards.any() and (np.abs(obs) <= 0.05).all()
    with pytest.raises(ConfigurationError, match="instance 0 is 99"):
        env.step(np.full(B, 99))


def test_can_be_saved_with_a_run():
    env = gym.make_vec("CartPoleNoVelocity-v0", num_envs=2)
    assert isinstance(env, Restorable)
    env.reset(seed=0)
    with pytest.raises(CheckpointError):
        native().set_state(env.get_state())


def test_wrong_arguments_are_refused():
    with pytest.raises(ConfigurationError, match="num_envs must be positive, got 0"):
        CartPoleNoVelocityVectorEnv(0)
    env = native()
    env.reset()
    with pytest.raises(ShapeError, match=r"\(5,\), got \(5, 1\)"):
        env.step(np.zeros((B, 1), int))
    with pytest.raises(ShapeError, match=r"\(4,\) or \(5, 4\)"):
        env.reset(options={"state": np.zeros(5)})


def test_renders_each_instance_like_a_single_one():
    env = native(render_mode="rgb_array")
    env.reset(seed=0)
    single = CartPoleNoVelocityEnv(render_mode="rgb_array")
    single.reset(seed=3)
    assert np.array_equal(env.render()[3], single.render())
