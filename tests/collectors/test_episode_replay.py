import gymnasium as gym
import numpy as np
import pytest

from layeredrl.collectors import EpisodeReplay
from layeredrl.errors import CheckpointError
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint


class Hidden(gym.Env):
    """Noise from a generator that nobody outside can see."""

    observation_space = gym.spaces.Dict({"x": gym.spaces.Box(-np.inf, np.inf, (2,))})
    action_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    repeats_itself = True

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None and self.repeats_itself:
            self._hidden = np.random.default_rng(seed + 1)
        elif not hasattr(self, "_hidden"):
            self._hidden = np.random.default_rng()
        self._x = self.np_random.normal(size=2)
        return {"x": self._x.astype(np.float32)}, {}

    def step(self, action):
        self._x = self._x + action + self._hidden.normal(size=2)
        return {"x": self._x.astype(np.float32)}, 0.0, False, False, {}


def play(env, n, generator):
    return [
        env.step(generator.uniform(-1, 1, 2).astype(np.float32))[0] for _ in range(n)
    ]


@pytest.mark.parametrize("n_steps", [0, 1, 30])
@pytest.mark.parametrize("n_episodes", [1, 3])
def test_an_episode_comes_back_through_a_file(n_steps, n_episodes, tmp_path):
    env = EpisodeReplay(gym.wrappers.TimeLimit(Hidden(), 40))
    env.reset(seed=3)
    for _ in range(n_episodes - 1):
        play(env, 5, np.random.default_rng(0))
        env.reset()
    play(env, n_steps, np.random.default_rng(1))
    save_checkpoint(tmp_path / "state.pt", "episode", env.get_state())
    after = play(env, 5, np.random.default_rng(2)), env.reset()[0]

    other = EpisodeReplay(gym.wrappers.TimeLimit(Hidden(), 40))
    other.set_state(load_checkpoint(tmp_path / "state.pt", "episode"))
    again = play(other, 5, np.random.default_rng(2)), other.reset()[0]
    for a, b in zip(after[0], again[0], strict=True):
        assert np.array_equal(a["x"], b["x"])
    assert np.array_equal(after[1]["x"], again[1]["x"])


def test_the_time_limit_goes_on(tmp_path):
    env = EpisodeReplay(gym.wrappers.TimeLimit(Hidden(), 6))
    env.reset(seed=0)
    play(env, 4, np.random.default_rng(0))
    other = EpisodeReplay(gym.wrappers.TimeLimit(Hidden(), 6))
    other.set_state(env.get_state())
    ends = [other.step(np.zeros(2, np.float32))[3] for _ in range(2)]
    assert ends == [False, True]


def test_one_that_does_not_repeat_itself_says_so():
    env = EpisodeReplay(Hidden())
    env.unwrapped.repeats_itself = False
    env.reset(seed=0)
    play(env, 3, np.random.default_rng(0))
    other = EpisodeReplay(Hidden())
    other.unwrapped.repeats_itself = False
    with pytest.raises(CheckpointError, match="3 actions"):
        other.set_state(env.get_state())


def test_seeds_decide_all_episodes():
    first, second = (EpisodeReplay(Hidden()) for _ in range(2))
    first.reset(seed=5)
    second.reset(seed=5)
    for _ in range(3):
        assert np.array_equal(first.reset()[0]["x"], second.reset()[0]["x"])
    assert not np.array_equal(first.reset()[0]["x"], first.reset()[0]["x"])


def test_a_state_before_the_first_reset():
    env = EpisodeReplay(Hidden())
    state = env.get_state()
    other = EpisodeReplay(Hidden())
    other.set_state(state)
    assert np.array_equal(env.reset()[0]["x"], other.reset()[0]["x"])
