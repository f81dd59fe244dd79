"""Skill levels below a predictor, and lives in which skills are followed."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.levels import Exploration, SkillLevel
from layeredrl.nets import FixedEncoderNet
from layeredrl.objectives import SkillObjective, SPlaTES
from layeredrl.utils.action_sampling import sample_features
from tests.levels.building import build, transition
from tests.levels.notebook import BOX, EAGER, N, Notes
from tests.toys import ensemble, reward_predictor

PLANE = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 3], np.float32))
CHOICE = spaces.Discrete(4, start=3)
STATE, CONTEXT = (2, 0), (1,)  # columns of what is seen
INTERVAL, BATCH = 3, 50


def parent(space=PLANE, seed=0):
    """What the level above predicts with: two columns are state, one is context."""
    encoder = FixedEncoderNet((3,), STATE, CONTEXT)
    model = ensemble(2, 1, space, seed=seed, n_models=2, n_modes=2)
    return reward_predictor(3, encoder=encoder, model=model, seed=seed)


@dataclass(frozen=True)
class Told(SkillObjective):
    """Pays ends of skills with what was reached, and notes what it was told."""

    shows_start: bool = True
    calls: tuple = ([],)

    def score(self, predictor, outcomes, sampler, n_env_steps):
        self.calls[0].append((outcomes, n_env_steps, predictor))
        paid = outcomes.is_over & outcomes.is_valid
        score = 5.0 + outcomes.state[:, 1:].sum(-1)
        return score * torch.from_numpy(paid), paid


def told(**options):
    """An objective with a list of its own."""
    return Told(calls=([],), **options)


def recipe(**options):
    settings = {
        "learner": Notes(learns_from_whole=True),
        "objective": SPlaTES(n_skill_samples=5, fixed_std=0.5),
        "skill_space": PLANE,
        "exploration": Exploration(warm_up_env_steps=0),
        "learning": replace(EAGER, batch_size=BATCH),
        "buffer_size": 600,
    }
    settings |= options
    interval = 1 if settings["objective"].is_stepwise else INTERVAL
    return SkillLevel(**{"control_interval": interval, **settings})


def skill_level(predictor=None, seed=0, **options):
    made = recipe(**options)
    predictor = predictor or parent(made.skill_space)
    return build(made, BOX, N, seed=seed, parent_predictor=predictor)


def followed(running, n_steps=60, seed=0, p_over=0.1):
    """Skills that change whenever control comes back, in episodes of random length."""
    rng = np.random.default_rng(seed)
    n = running.spec.n_instances
    obs = rng.normal(size=(n, 3)).astype(np.float32)
    skill = sample_features(running.spec.input_space, n, rng)
    for _ in range(n_steps):
        rows = np.sort(rng.permutation(n)[:2])
        action = running.get_action(obs[rows], skill[rows], rows)
        next_obs = (obs + 0.5 * rng.normal(size=obs.shape)).astype(np.float32)
        over = rng.random(2) < p_over
        ends = rng.random(2) < 0.5
        told_of = transition(
            rows,
            obs=obs[rows],
            next_obs=next_obs[rows],
            action=action,
            level_input=skill[rows],
            terminated=over & ends,
            truncated=over & ~ends,
        )
        back = running.process_transition(told_of) | over
        obs[rows] = next_obs[rows]
        if over.any():
            running.reset(rows[over])
            obs[rows[over]] = rng.normal(size=(over.sum(), 3))
        fresh = sample_features(running.spec.input_space, n, rng)
        skill[rows[back]] = fresh[rows[back]]
    return running


def learned(running, n_updates=1):
    """What the learner is given, everything together."""
    running.learn(n_updates)
    return running.learner.batches


def parts(condition, n_skill=2):
    """Skill, progress, and how far it has come."""
    return condition.split([n_skill, 1, condition.shape[-1] - n_skill - 1], dim=-1)
