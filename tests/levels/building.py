"""Levels built on their own, without a hierarchy, and transitions to tell them."""

import numpy as np
import torch

from layeredrl.levels import LevelSpec
from layeredrl.types import Transition


def build(recipe, action_space, n_instances=3, obs_shape=(3,), seed=0, **spec):
    """Build a running level for an action space below it."""
    settings = {
        "obs_shape": obs_shape,
        "input_space": recipe.input_space(action_space),
        "action_space": action_space,
        "n_instances": n_instances,
        "parent_predictor": None,
        "decision_interval": 1,
        "device": torch.device("cpu"),
        "seed": np.random.SeedSequence(seed),
    }
    return recipe.build(LevelSpec(**{**settings, **spec}))


def transition(instances, **fields):
    """A finished decision for some instances; whatever is not given is boring."""
    instances = np.asarray(instances)
    n = len(instances)
    boring = {
        "obs": np.zeros((n, 3), np.float32),
        "action": np.zeros((n, 2), np.float32),
        "level_input": None,
        "reward": np.zeros(n),
        "next_obs": np.ones((n, 3), np.float32),
        "terminated": np.zeros(n, bool),
        "truncated": np.zeros(n, bool),
        "n_env_steps": np.ones(n, np.int64),
        "info": {},
    }
    given = {
        key: value if value is None or isinstance(value, dict) else np.asarray(value)
        for key, value in fields.items()
    }
    return Transition(instances=instances, **{**boring, **given})
