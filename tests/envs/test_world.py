"""A world of one's own becomes both forms of environment."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv

from layeredrl.envs import Outcome, World, WorldEnv, WorldVectorEnv
from layeredrl.errors import ConfigurationError
from tests.envs.vector_runs import play, same

B = 4


class Counters(World):
    """Counts up to ten; says nothing but the count."""

    def __init__(self, n_instances):
        count = gym.spaces.Dict({"count": gym.spaces.Box(-20, 20, (1,), np.float64)})
        super().__init__(n_instances, count, gym.spaces.Box(-1, 1, (1,)), 15)
        self.counts = np.zeros((n_instances, 1))

    def read_options(self, options):
        if set(options) - {"count"}:
            raise ConfigurationError("unknown reset option")
        counts = np.broadcast_to(options.get("count", 0.0), (self.n_instances, 1))
        return {"count": counts if "count" in options else None}

    def _spawn(self, rows, generators, given):
        drawn = np.array([[generator.random()] for generator in generators])
        count = given.get("count")
        self.counts[rows] = drawn if count is None else count

    def _act(self, actions, ignored):
        self.counts = self.counts + actions
        done = self.counts[:, 0] >= 3
        return Outcome(actions[:, 0].astype(float), done, done)

    def observe(self):
        return {"count": self.counts.copy()}

    def draw(self):
        return np.zeros((self.n_instances, 2, 2, 3), np.uint8)

    def identity(self):
        return {}

    def arrays(self):
        return {"counts": self.counts, "elapsed_steps": self.elapsed_steps}

    def check(self, arrays):
        pass

    def restore(self, arrays):
        self.counts = arrays["counts"]
        self.elapsed_steps = arrays["elapsed_steps"]


class CounterEnv(WorldEnv):
    def __init__(self, render_mode=None):
        super().__init__(Counters(1), render_mode)


def many(mode="NextStep", limit=None):
    return WorldVectorEnv(
        Counters(B), max_episode_steps=limit, autoreset_mode=mode, render_mode=None
    )


def test_the_single_form_passes_gymnasiums_checker():
    check_env(CounterEnv(render_mode="rgb_array"), skip_render_check=True)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_both_forms_agree(mode):
    envs = [many(mode), SyncVectorEnv([CounterEnv] * B, autoreset_mode=mode)]

    def actions_for(obs, rng):
        return rng.uniform(-0.7, 1, (B, 1)).astype(np.float32)

    ends = np.zeros(2)
    for one, other in zip(*(play(e, 150, 3, actions_for) for e in envs), strict=True):
        same(one, other)
        if len(one) == 5:
            ends += one[2].sum(), one[3].sum()
    assert (ends > 3).all()


def test_a_world_truncates_itself_and_lower_limits_come_first():
    for limit, expected in ((None, 15), (7, 7), (99, 15)):
        env = many(limit=limit)
        env.reset(seed=0)
        lengths = [env.step(np.zeros((B, 1)))[3].all() for _ in range(expected)]
        assert lengths == [False] * (expected - 1) + [True]


def test_options_are_those_of_the_world_for_the_instances_that_are_reset():
    env = many()
    env.reset(seed=0, options={"count": 1.0})
    mask = np.array([False, True, False, True])
    counts = np.arange(B)[:, None] / 2
    obs, _ = env.reset(options={"count": counts, "reset_mask": mask})
    assert obs["count"].ravel().tolist() == [1, 0.5, 1, 1.5]
    with pytest.raises(ConfigurationError, match="unknown"):
        env.reset(options={"goal": 1})
    with pytest.raises(ConfigurationError, match="unknown"):
        CounterEnv().reset(options={"reset_mask": [True]})
