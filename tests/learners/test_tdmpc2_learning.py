"""TD-MPC2 learns: a point on a line that is paid for being at the origin."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from tianshou.data import Batch

from layeredrl.learners import Situation
from tests.learners.tdmpc2_cases import learner
from tests.toys import make_buffer

LINE = spaces.Box(-1.0, 1.0, (1,), np.float32)
N, LENGTH = 20, 15


def move(place, action):
    return np.clip(place + 0.3 * action, -2.0, 2.0)


def seen(place, goal):
    return np.concatenate([place, goal], axis=-1).astype(np.float32)


def random_experience(n_episodes=8):
    rng = np.random.default_rng(0)
    buffer = make_buffer("ours", N * LENGTH * n_episodes, N)
    for _ in range(n_episodes):
        place, goal = rng.uniform(-1.5, 1.5, (N, 1)), rng.choice([-1.0, 1.0], (N, 1))
        for step in range(LENGTH):
            action = rng.uniform(-1, 1, (N, 1))
            after = move(place, action)
            buffer.add(
                Batch(
                    obs=seen(place, goal),
                    act=action.astype(np.float32),
                    rew=-np.abs(after - goal)[:, 0],
                    terminated=np.zeros(N, bool),
                    truncated=np.full(N, step == LENGTH - 1),
                    obs_next=seen(after, goal),
                    info=Batch(),
                )
            )
            place = after
    return buffer


def mean_reward(act):
    rng = np.random.default_rng(1)
    place, goal = rng.uniform(-1.5, 1.5, (N, 1)), rng.choice([-1.0, 1.0], (N, 1))
    total = 0.0
    for _ in range(LENGTH):
        place = move(place, act(seen(place, goal)))
        total -= np.abs(place - goal).mean() / LENGTH
    return total


def acting(made):
    def act(obs):
        here = Situation(
            torch.from_numpy(obs),
            torch.zeros(N, 1),
            torch.zeros(N),
            torch.zeros(N, dtype=torch.int64),
            np.arange(N),
        )
        return made.act(here, False).numpy()

    return act


@pytest.mark.learning
def test_policy_and_planner_learn_to_go_where_they_are_asked():
    config = {"learning_rate": 3e-3, "gamma": 0.9, "episodic": False}
    made = learner(1, obs_dim=2, space=LINE, n_instances=N, **config)
    buffer = random_experience()
    for _ in range(600):
        made.update(made.sample(buffer, 64))
    alone = learner(1, obs_dim=2, space=LINE, n_instances=N, use_policy=True, **config)
    alone.load_acting_state(made.acting_state())
    rng = np.random.default_rng(2)
    by_chance = mean_reward(lambda obs: rng.uniform(-1, 1, (N, 1)))
    ideal = mean_reward(lambda obs: np.clip((obs[:, 1:] - obs[:, :1]) / 0.3, -1, 1))
    assert by_chance < -0.7 and ideal > -0.4
    for learned in (made, alone):
        reached = mean_reward(acting(learned))
        assert reached > ideal - 0.15 * (ideal - by_chance)
