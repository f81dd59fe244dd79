"""Small learners around Tianshou's algorithms, stretches to learn from, and spies."""

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.learners import (
    A2CConfig,
    DDPGConfig,
    DiscreteSACConfig,
    DQNConfig,
    LearnerSpec,
    PPOConfig,
    REDQConfig,
    SACConfig,
    Situation,
    TD3Config,
)
from layeredrl.predictors.trajectory_batch import TrajectoryBatch
from layeredrl.utils.action_sampling import sample_features

BOX = spaces.Box(np.array([-2.0, 0.0]), np.array([2.0, 1.0]), dtype=np.float32)
CHOICE = spaces.Discrete(3, start=5)
OBS_DIM, GAMMA = 4, 0.8
SMALL = {"hidden_sizes": (8,), "gamma": GAMMA, "lr": 1e-2}
CONTINUOUS = {
    "sac": SACConfig(**SMALL),
    "td3": TD3Config(**SMALL, actor_delay=3),
    "ddpg": DDPGConfig(**SMALL),
    "redq": REDQConfig(**SMALL, n_critics=4, actor_delay=3),
}
DISCRETE = {
    "dqn": DQNConfig(**SMALL, target_update_interval=4),
    "discrete-sac": DiscreteSACConfig(**SMALL),
}
ON_POLICY = {
    "ppo": (PPOConfig(**SMALL, n_epochs=2, minibatch_size=8), BOX),
    "a2c": (A2CConfig(**SMALL), BOX),
    "ppo-choice": (PPOConfig(**SMALL, n_epochs=2), CHOICE),
}
OFF_POLICY = {name: (config, BOX) for name, config in CONTINUOUS.items()}
OFF_POLICY |= {name: (config, CHOICE) for name, config in DISCRETE.items()}
ALL = OFF_POLICY | ON_POLICY


def spec(space=BOX, seed=0, obs_shape=(OBS_DIM,), n_instances=3):
    return LearnerSpec(
        obs_shape,
        0,
        space,
        n_instances,
        torch.device("cpu"),
        np.random.SeedSequence(seed),
    )


def build(name, seed=0):
    config, space = ALL[name]
    return config.build(spec(space, seed))


def situation(n=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Situation(
        torch.randn(n, OBS_DIM, generator=generator),
        torch.zeros(n, 2),
        torch.zeros(n),
        torch.zeros(n, dtype=torch.int64),
        np.arange(n),
    )


def stretches(space=BOX, n=12, n_steps=3, seed=0, **fields):
    """Random ones of all lengths; of those that are complete, half terminate."""
    rng = np.random.default_rng(seed)
    traj_len = rng.integers(1, n_steps + 1, n)
    terminated = np.zeros((n, n_steps), bool)
    terminated[np.arange(n), traj_len - 1] = rng.random(n) < 0.5
    actions = sample_features(space, n * n_steps, rng).reshape(n, n_steps, -1)
    made = TrajectoryBatch(
        indices=np.zeros((n_steps, n), np.int64),
        obs=torch.from_numpy(rng.normal(size=(n, n_steps + 1, OBS_DIM))).float(),
        act=torch.from_numpy(actions),
        rew=torch.from_numpy(rng.normal(size=(n, n_steps))).float(),
        terminated=torch.from_numpy(terminated),
        n_env_steps=torch.from_numpy(rng.integers(1, 4, (n, n_steps))),
        planned=torch.ones(n, n_steps),
        validity_mask=(
            torch.arange(n_steps) < torch.from_numpy(traj_len)[:, None]
        ).float(),
        traj_len=torch.from_numpy(traj_len),
    )
    return made._replace(**fields)


def spied(learner):
    """Note what is handed to Tianshou at each update."""
    seen, original = [], learner.algorithm._update_with_batch

    def spy(rows, *args):
        noted = ("obs", "act", "returns", "adv", "v_s", "logp_old")
        seen.append({key: rows[key].clone() for key in noted if key in rows})
        seen[-1]["args"] = args
        return original(rows, *args)

    learner.algorithm._update_with_batch = spy
    return seen


def constant(net, value):
    """Make a network say the same everywhere."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        list(net.parameters())[-1].fill_(value)
