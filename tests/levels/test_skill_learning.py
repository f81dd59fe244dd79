"""Skills become what the level above expects of them, and differ from one another."""

from functools import partial

import numpy as np
import pytest
import torch
from gymnasium.vector import SyncVectorEnv

from layeredrl.collectors import Collector
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import (
    DADSLevel,
    Exploration,
    LearningSchedule,
    PlannerLevel,
    SPlaTESLevel,
)
from layeredrl.models import EnsembleConfig, ProbabilisticEnsemble
from layeredrl.predictors import PredictorFactory, get_default_predictor_factory
from layeredrl.utils.schedules import LinearSchedule
from layeredrl.utils.spaces import ObservationLayout
from tests.toy_levels import QUICK_CEM
from tests.toys import GoalEnv

N, N_SKILLS, WARM_UP = 16, 8, 800
OFTEN = {"start_env_steps": WARM_UP, "interval_env_steps": 160}


def points(n):
    return SyncVectorEnv([partial(GoalEnv, length=20)] * n)


def skill_predictor(env):
    arguments = get_default_predictor_factory(env, 0).constructor_arguments()
    start = EnsembleConfig(n_modes=1, sb_start_duration=3000, sb_gain=1.73)
    arguments["partial_model"] = partial(ProbabilisticEnsemble, config=start)
    arguments["partial_predictor"] = partial(
        arguments["partial_predictor"], model_lr=3e-3
    )
    return PredictorFactory(**arguments)


def levels(env, level, interval, updates):
    """A level above that asks for random skills, and the skills."""
    above = PlannerLevel(
        skill_predictor(env),
        QUICK_CEM,
        exploration=Exploration(warm_up_env_steps=100_000),
        learning=LearningSchedule(
            **OFTEN, updates_per_env_step=0.1, batch_size=16, model_batch_size=128
        ),
    )
    skills = level(
        **({} if level is DADSLevel else {"control_interval": interval}),
        n_skill_samples=16,
        fixed_std=LinearSchedule(1.5, 0.3, 3000),
        exploration=Exploration(WARM_UP, hold=5),
        learning=LearningSchedule(**OFTEN, updates_per_env_step=updates, batch_size=25),
    )
    return [above, skills]


@torch.no_grad()
def outcomes(hierarchy, predictor, n_steps):
    """Where skills all around lead (K, Z), and where they were expected to."""
    env = points(N_SKILLS)
    level = hierarchy.acting_copy(env, 1).levels[1]
    layout = ObservationLayout.of(env.single_observation_space)
    angle = np.linspace(0.0, 2.0 * np.pi, N_SKILLS, endpoint=False)
    skill = 0.9 * np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    obs, _ = env.reset(seed=7)
    start, context = predictor.encode(torch.from_numpy(layout.flatten(obs, N_SKILLS)))
    expected = predictor.model.predict(start, context, torch.from_numpy(skill)).mean
    for _ in range(n_steps):
        seen = layout.flatten(obs, N_SKILLS)
        everyone = np.arange(N_SKILLS)
        action = level.get_action(seen, skill, everyone)
        level._pursuits.advance(everyone)
        obs, *_ = env.step(action)
    reached, _ = predictor.encode(torch.from_numpy(layout.flatten(obs, N_SKILLS)))
    return reached, expected[:, 0, 0]


@pytest.mark.learning
@pytest.mark.parametrize(
    "level, interval, updates, n_env_steps",
    [(SPlaTESLevel, 4, 0.4, 6000), (DADSLevel, 1, 0.25, 3500)],
)
def test_skills_lead_to_different_places_as_expected(
    level, interval, updates, n_env_steps
):
    env = points(N)
    hierarchy = Hierarchy(levels(env, level, interval, updates), env, seed=0)
    fresh = hierarchy.acting_copy(env, 0)
    collector = Collector(hierarchy, env)
    collector.reset(0)
    collector.collect(n_env_steps, show_progress=False)
    found = {}
    for name, agent in {"learned": hierarchy, "fresh": fresh}.items():
        predictor = hierarchy.levels[0].predictor
        reached, expected = outcomes(agent, predictor, interval)
        distance = torch.cdist(reached, expected)
        found[name] = {
            "told_apart": float((distance.argmin(1) == torch.arange(N_SKILLS)).sum()),
            "distance": float(distance.diagonal().mean()),
            "spread": float(torch.pdist(reached).mean()),
        }
    learned, before = found["learned"], found["fresh"]
    # Each skill leads nearest to where that very skill was expected to lead.
    assert learned["told_apart"] >= N_SKILLS - 2 and before["told_apart"] <= 3
    assert learned["spread"] > 5.0 * before["spread"]
    if level is SPlaTESLevel:
        assert learned["distance"] < 0.75 * before["distance"]
