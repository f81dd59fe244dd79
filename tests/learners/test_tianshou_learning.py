"""Policy levels learn, through hierarchy and collector; chance is far below."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

from layeredrl.collectors import Collector, evaluate, summarize
from layeredrl.hierarchies import Hierarchy
from layeredrl.learners import DQNConfig, PPOConfig, SACConfig
from layeredrl.levels import Exploration, LearningSchedule, PolicyLevel, RandomLevel
from layeredrl.objectives import GoalReaching
from layeredrl.utils.schedules import LinearSchedule
from tests.toys import GoalEnv

pytestmark = pytest.mark.learning
HELD_OUT = 777
SMALL = {"hidden_sizes": (64, 64), "lr": 2e-3, "gamma": 0.9}


class Ladder(gym.Env):
    """Ten rungs, one of which is the right one: pays minus the distance to it."""

    def __init__(self):
        self.observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.action_space = spaces.Discrete(3, start=-1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._rung, self._goal = self.np_random.integers(0, 10, 2)
        self._time = 0
        return self._observe(), {}

    def step(self, action):
        self._rung = int(np.clip(self._rung + action, 0, 9))
        self._time += 1
        paid = -abs(self._rung - self._goal) / 9
        return self._observe(), paid, False, self._time >= 12, {}

    def _observe(self):
        return np.array([self._rung, self._goal], np.float32) / 4.5 - 1.0


def returns(level, make_env, n_steps, n_envs=4):
    """Mean returns of the learned policy and of chance, in the same episodes."""
    env, test_env = (SyncVectorEnv([make_env] * n_envs) for _ in range(2))
    hierarchy = Hierarchy([level], env, seed=0)
    collector = Collector(hierarchy, env)
    collector.reset(0)
    collector.collect(n_steps, show_progress=False)
    agents = [
        hierarchy.acting_copy(test_env, 1),
        Hierarchy([RandomLevel()], test_env, seed=1),
    ]
    episodes = [evaluate(agent, test_env, 40, HELD_OUT) for agent in agents]
    return [summarize(x)["return_mean"] for x in episodes]


def test_sac_goes_to_a_goal():
    level = PolicyLevel(
        SACConfig(**SMALL),
        exploration=Exploration(warm_up_env_steps=400),
        learning=LearningSchedule(400, 100, updates_per_env_step=0.4, batch_size=64),
    )
    learned, chance = returns(level, lambda: GoalEnv(length=20), n_steps=2400)
    assert learned > 0.6 * chance  # returns are negative


DISCRETE = {
    "dqn": PolicyLevel(
        DQNConfig(
            **SMALL,
            target_update_interval=50,
            epsilon=LinearSchedule(1.0, 0.1, duration=1500),
        ),
        exploration=Exploration(warm_up_env_steps=0),
        learning=LearningSchedule(400, 50, updates_per_env_step=0.4, batch_size=64),
    ),
    "ppo": PolicyLevel(
        PPOConfig(**SMALL),
        learning=LearningSchedule(0, interval_env_steps=400),
    ),
}


@pytest.mark.parametrize("name, n_steps", [("dqn", 2400), ("ppo", 6000)])
def test_the_right_rung_of_a_ladder_is_found(name, n_steps):
    learned, chance = returns(DISCRETE[name], Ladder, n_steps)
    assert learned > 0.5 * chance


# Two levels


def point():
    return GoalEnv(length=50)


def reached(hierarchy, env, n_steps):
    """Share of the goals that the level above asked for that were reached in time."""
    outcomes, bottom = [], hierarchy.levels[-1]
    original = bottom.process_transition

    def spy(transition):
        seen = bottom._pursuits.seen(transition.next_obs, transition.instances)
        is_there = bottom._recipe.objective.is_done(seen)
        is_over = original(transition)
        outcomes.extend(is_there[is_over].tolist())
        return is_over

    bottom.process_transition = spy
    obs, _ = env.reset(seed=HELD_OUT)
    hierarchy.reset()
    for _ in range(n_steps):
        obs, *outcome = env.step(hierarchy.get_action(obs))
        hierarchy.process_transition(obs, *outcome[:3])
        if np.any(outcome[2]):
            hierarchy.reset(np.asarray(outcome[2]))
    return np.mean(outcomes)


def test_goals_that_a_random_level_asks_for_are_reached_with_hindsight():
    env, test_env = (SyncVectorEnv([point] * 4) for _ in range(2))
    reach = GoalReaching(spaces.Box(-1.0, 1.0, (2,)), achieved=(0, 1), radius=0.2)
    maps = [None, ["achieved_goal"]]
    learning = LearningSchedule(400, 100, updates_per_env_step=0.3, batch_size=128)

    def levels(warm_up):
        return [
            RandomLevel(),
            PolicyLevel(
                SACConfig(**SMALL),
                objective=reach,
                n_decisions=25,
                exploration=Exploration(warm_up_env_steps=warm_up),
                learning=learning,
            ),
        ]

    hierarchy = Hierarchy(levels(400), env, maps, seed=0)
    collector = Collector(hierarchy, env)
    collector.reset(0)
    collector.collect(3600, show_progress=False)
    learned = reached(hierarchy.acting_copy(test_env, 1), test_env, 400)
    chance = reached(Hierarchy(levels(10**9), test_env, maps, seed=1), test_env, 400)
    assert chance < 0.3 and learned > 0.6
