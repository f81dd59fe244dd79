"""Recordings of a world whose noise is known: next state = state + 0.5 action + noise."""

import numpy as np
import torch

from layeredrl.diagnostics import Recording
from layeredrl.models import KnownDynamics
from tests.toys import ACTIONS, point_mass_predictor, unbounded

STEP = 0.5


def noisy_recording(n_episodes=200, length=4, std=0.2, seed=0, horizon=3):
    """Random decisions; plans expect nothing to move."""
    rng = np.random.default_rng(seed)
    shape = (n_episodes, length, 2)
    action = rng.uniform(-1, 1, shape)
    moved = np.cumsum(STEP * action + std * rng.normal(size=shape), axis=1)
    start = rng.normal(size=(n_episodes, 1, 2))
    states = np.concatenate([start, start + moved], axis=1).astype(np.float32)
    n = n_episodes * length
    state = states[:, :-1].reshape(n, 2).copy()
    return Recording(
        episode=np.repeat(np.arange(n_episodes), length),
        time=np.tile(np.arange(length), n_episodes),
        state=state,
        context=np.zeros((n, 0), np.float32),
        action=action.reshape(n, 2).astype(np.float32),
        reached=states[:, 1:].reshape(n, 2).copy(),
        planned=np.repeat(state[:, None], horizon + 1, axis=1),
        n_env_steps=np.ones(n, np.int64),
        is_cut=np.zeros(n, bool),
    )


def predictor(std, step=STEP):
    model = KnownDynamics(
        unbounded(2), unbounded(0), ACTIONS, lambda s, c, a: s + step * a, std=std
    )
    return point_mass_predictor(None, model=model)


def tensors(*arrays):
    return tuple(torch.from_numpy(np.asarray(a, np.float32)) for a in arrays)
