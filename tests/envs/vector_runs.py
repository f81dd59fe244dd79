"""Runs of vector environments, step by step, to hold one against another."""

import numpy as np
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
