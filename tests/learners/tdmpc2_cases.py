"""TD-MPC2 learners and batches that are small enough to look at."""

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.learners import LearnerSpec, Situation, TDMPC2Config
from layeredrl.predictors.trajectory_batch import TrajectoryBatch

FAST = {
    "n_samples": 16,
    "n_elites": 4,
    "n_policy_trajectories": 3,
    "n_iterations": 2,
}
"""Numbers of a search that takes no time."""
BOX = spaces.Box(np.array([-2.0, 0.0]), np.array([2.0, 1.0]), dtype=np.float32)


def spec(obs_shape=(5,), n_condition=0, space=BOX, n_instances=4, seed=0):
    return LearnerSpec(
        obs_shape,
        n_condition,
        space,
        n_instances,
        torch.device("cpu"),
        np.random.SeedSequence(seed),
    )


def learner(n_condition=0, *, space=BOX, n_instances=4, seed=0, obs_dim=5, **config):
    config = TDMPC2Config(**FAST | config)
    return config.build(spec((obs_dim,), n_condition, space, n_instances, seed))


def situation(n=4, obs_dim=5, seed=0, instances=None):
    g = torch.Generator().manual_seed(seed)
    return Situation(
        torch.randn(n, obs_dim, generator=g),
        torch.zeros(n, 2),
        torch.zeros(n),
        torch.zeros(n, dtype=torch.int64),
        np.arange(n) if instances is None else np.array(instances),
    )


def rows_of(everything, rows):
    """The situation of some of the instances."""
    fields = [x[rows] for x in everything]
    return Situation(*fields)


def batch(n=8, n_steps=3, obs_dim=5, seed=0, traj_len=None, **fields):
    """Random stretches; actions are legal in BOX."""
    g = torch.Generator().manual_seed(seed)
    if traj_len is None:
        traj_len = torch.full((n,), n_steps)
    low, high = torch.from_numpy(BOX.low), torch.from_numpy(BOX.high)
    made = TrajectoryBatch(
        indices=np.zeros((n_steps, n), np.int64),
        obs=torch.randn(n, n_steps + 1, obs_dim, generator=g),
        act=low + (high - low) * torch.rand(n, n_steps, 2, generator=g),
        rew=torch.randn(n, n_steps, generator=g, dtype=torch.float64),
        terminated=torch.zeros(n, n_steps, dtype=torch.bool),
        n_env_steps=torch.ones(n, n_steps, dtype=torch.int64),
        planned=torch.ones(n, n_steps),
        validity_mask=(torch.arange(n_steps) < traj_len[:, None]).float(),
        traj_len=traj_len,
    )
    return made._replace(**fields)


def warmed(made, n=3, obs_dim=5):
    """A learner whose outputs are no longer zero."""
    for i in range(n):
        made.update(batch(seed=i, obs_dim=obs_dim))
    return made
