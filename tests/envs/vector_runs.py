"""Runs of vector environments, step by step, to hold one against another."""

import io

import numpy as np
import torch
from gymnasium.vector import AutoresetMode


def same(ours, theirs):
    """Equal in value, type, shape and keys, all the way down."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert set(ours) == set(theirs)
        for key in ours:
            same(ours[key], theirs[key])
    elif isinstance(ours, tuple | list):
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    elif isinstance(ours, np.ndarray):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        if ours.dtype == object:
            same(list(ours), list(theirs))
        else:
            assert np.array_equal(ours, theirs)
    else:
        assert ours == theirs


def play(env, n_steps, seed, actions_for, obs=None, over=None):
    """Yield everything the environment says, resetting where it does not itself."""
    rng = np.random.default_rng(seed)
    if obs is None:
        obs, infos = env.reset(seed=seed)
        yield obs, infos
    disabled = env.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    for i in range(n_steps):
        if disabled and over is not None and over.any():
            seeds = seed + i if i % 3 == 0 else None
            obs, infos = env.reset(seed=seeds, options={"reset_mask": over.copy()})
            yield obs, infos
        answer = env.step(actions_for(obs, rng))
        obs, over = answer[0], answer[2] | answer[3]
        yield answer


def reloaded(state):
    """A state of arrays and plain values that went through a file."""
    tensors = {
        key: torch.from_numpy(v) if isinstance(v, np.ndarray) else v
        for key, v in state.items()
    }
    saved = io.BytesIO()
    torch.save(tensors, saved)
    saved.seek(0)
    return torch.load(saved, weights_only=True)


def check_state_continues(env, other, stop, n_steps, play, through=reloaded):
    """Hold what comes after some steps against what comes in another environment."""
    *_, last = play(env, stop, 5)
    over = last[2] | last[3] if len(last) == 5 else np.zeros(env.num_envs, bool)
    other.set_state(through(env.get_state()))
    runs = [play(e, n_steps, 8, obs=last[0], over=over) for e in (env, other)]
    for one, two in zip(*runs, strict=True):
        same(one, two)
    same(env.get_state(), other.get_state())
