import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from layeredrl.envs import CartPoleNoVelocityEnv
from layeredrl.errors import CheckpointError, ConfigurationError, ShapeError

LEFT, RIGHT = range(2)
SEEN = [0, 2]  # of Gymnasium's observation


@pytest.fixture
def theirs():
    return gym.make("CartPole-v1")


def state_of(env):
    return env.unwrapped.get_state()["states"][0]


def test_passes_gymnasiums_checker():
    env = gym.make("CartPoleNoVelocity-v0", render_mode="rgb_array")
    check_env(env.unwrapped)
    assert env.action_space == gym.spaces.Discrete(2)


@pytest.mark.parametrize("seed", range(5))
def test_whole_episodes_are_those_of_gymnasium(seed, theirs):
    env, rng = gym.make("CartPoleNoVelocity-v0"), np.random.default_rng(seed)
    for options in ({"seed": seed}, {}):
        one, other = env.reset(**options)[0], theirs.reset(**options)[0]
        over, n_steps = False, 0
        while not over:
            np.testing.assert_allclose(one, other[SEEN], atol=1e-6)
            action = int(rng.integers(2))
            one, *ours, info = env.step(action)
            other, *rest, _ = theirs.step(action)
            assert ours == rest and info == {"success": False}
            over, n_steps = ours[1] or ours[2], n_steps + 1
        assert n_steps > 5


def test_every_step_is_that_of_gymnasium_from_any_state(theirs):
    env, rng = CartPoleNoVelocityEnv(), np.random.default_rng(0)
    ends = 0
    for _ in range(500):
        state = rng.uniform(-1, 1, 4) * [2.5, 3.0, 0.22, 3.0]
        action = int(rng.integers(2))
        env.reset(options={"state": state})
        theirs.reset()
        theirs.unwrapped.state = state.copy()
        _, reward, terminated, *_ = env.step(action)
        _, their_reward, their_end, *_ = theirs.step(action)
        np.testing.assert_allclose(state_of(env), theirs.unwrapped.state, rtol=1e-12)
        assert (reward, terminated) == (their_reward, their_end)
        ends += terminated
    assert 50 < ends < 450


def balance(state):
    """Push against where the pole is going to be: keeps it up for ever."""
    return RIGHT if state @ [0.5, 0.8, 8.0, 2.0] > 0 else LEFT


def test_who_keeps_the_pole_up_succeeds_after_500_steps(theirs):
    env = gym.make("CartPoleNoVelocity-v0")
    env.reset(seed=1)
    theirs.reset(seed=1)
    for step in range(500):
        action = balance(state_of(env))
        obs, reward, terminated, truncated, info = env.step(action)
        assert (reward, terminated, truncated) == theirs.step(action)[1:4]
        assert info["success"] == truncated == (step == 499)
        assert obs in env.observation_space


def test_only_place_and_angle_are_seen():
    env = CartPoleNoVelocityEnv()
    shown = []
    for speeds in (-1.0, 1.0):
        obs, info = env.reset(options={"state": [0.3, speeds, -0.1, speeds]})
        shown.append(obs.tolist())
        assert obs.dtype == np.float32 and info == {"success": False}
    assert shown[0] == shown[1] == pytest.approx([0.3, -0.1])
    theirs = gym.make("CartPole-v1").observation_space
    space = env.observation_space
    assert np.array_equal(space.high, theirs.high[SEEN])
    assert np.array_equal(space.low, theirs.low[SEEN])


def test_falling_at_the_last_step_is_no_success():
    env = CartPoleNoVelocityEnv(episode_steps=1)
    for angle, success in ((0.0, True), (0.3, False)):
        env.reset(options={"state": [0.0, 0.0, angle, 0.0]})
        _, _, terminated, truncated, info = env.step(LEFT)
        assert truncated and info["success"] is success is not terminated


@pytest.mark.parametrize("stop", [0, 3])
def test_a_state_continues_exactly_in_another_environment(stop):
    env, rng = CartPoleNoVelocityEnv(), np.random.default_rng(0)
    env.reset(seed=3)
    for _ in range(stop):
        env.step(LEFT)
    other = CartPoleNoVelocityEnv()
    other.set_state(env.get_state())
    for action in rng.integers(2, size=9):
        np.testing.assert_equal(env.step(action), other.step(action))
    np.testing.assert_equal(env.reset(), other.reset())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"episode_steps": 9}, "its 'episode_steps' is 9, here it is 500"),
        ({"states": np.array([[0, np.nan, 0, 0]])}, "are nowhere"),
        ({"states": np.zeros((1, 2))}, r"'states' of the state is \(1, 2\)"),
    ],
)
def test_states_that_do_not_fit_are_refused(change, message):
    env = CartPoleNoVelocityEnv()
    env.reset(seed=0)
    before = env.get_state()
    with pytest.raises(CheckpointError, match=message):
        env.set_state({**before, **change})
    np.testing.assert_equal(env.get_state(), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"episode_steps": 0}, "episode_steps must be positive, got 0"),
        ({"render_mode": "human"}, "unknown render_mode 'human'"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        CartPoleNoVelocityEnv(**options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"low": 1}, ConfigurationError, "unknown reset option 'low'; known: state"),
        ({"state": [1, 1]}, ShapeError, r"\(4,\) or \(1, 4\), got \(2,\)"),
        ({"state": [0, 0, 0, np.inf]}, ConfigurationError, "must be finite"),
    ],
)
def test_wrong_reset_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        CartPoleNoVelocityEnv().reset(options=options)


@pytest.mark.parametrize("action", [2, -1, 0.5])
def test_wrong_actions_are_refused_and_change_nothing(action):
    env = CartPoleNoVelocityEnv()
    with pytest.raises(gym.error.ResetNeeded):
        env.step(LEFT)
    env.reset(seed=0)
    before = env.get_state()
    with pytest.raises(ConfigurationError, match="action"):
        env.step(action)
    np.testing.assert_equal(env.get_state(), before)


def test_actions_of_any_integer_type():
    seen = []
    for kind in (int, np.uint8, np.int64):
        env = CartPoleNoVelocityEnv()
        env.reset(seed=0)
        seen.append(env.step(kind(0))[0].tolist())
    assert seen[0] == seen[1] == seen[2]


def test_pictures_show_cart_and_pole():
    cart, pole = [34, 94, 200], [240, 150, 40]
    env = CartPoleNoVelocityEnv(render_mode="rgb_array")
    env.reset(options={"state": [0.0, 0.0, 0.0, 0.0]})
    picture = env.render()
    assert picture.shape == (120, 300, 3) and picture.dtype == np.uint8
    assert picture[90, 142].tolist() == cart and picture[60, 150].tolist() == pole
    assert picture[10, 10].tolist() == [255, 255, 255]
    env.reset(options={"state": [1.2, 0.0, 0.2, 0.0]})
    picture = env.render()
    assert picture[90, 217].tolist() == cart and picture[90, 150].tolist() != cart
    # The pole leans to the right by as much as its angle says.
    there = (picture == pole).all(-1)
    rows, columns = there.nonzero()
    top, bottom = rows.argmin(), rows.argmax()
    lean = (columns[top] - columns[bottom]) / (rows[bottom] - rows[top])
    assert lean == pytest.approx(np.tan(0.2), abs=0.06)
