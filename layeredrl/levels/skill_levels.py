"""Skill levels by the name of what they pay for."""

from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium import spaces

from layeredrl.errors import ConfigurationError
from layeredrl.learners import LearnerConfig, SACConfig, TDMPC2Config
from layeredrl.levels.learning_schedule import LearningSchedule
from layeredrl.levels.skill_level import SkillLevel
from layeredrl.objectives import DADS, SPlaTES
from layeredrl.utils.schedules import Schedule

_DADS_LEARNING = LearningSchedule(updates_per_env_step=0.5, batch_size=256)


def SPlaTESLevel(
    skill_dim: int = 2,
    n_skills: int | None = None,
    control_interval: int = 10,
    n_skill_samples: int = 100,
    clip: float = 50.0,
    reward_offset: float = 1.0,
    fixed_std: Schedule | float = 0.1,
    potential_differences: bool = False,
    learner: LearnerConfig | None = None,
    policy_only: bool = True,
    **options: Any,
) -> SkillLevel:
    """Describe a level whose skills are predictable as a whole and correct themselves.

    Guertler & Martius, "Long-Horizon Planning with Predictable Skills", RLC 2025.

    Args:
        skill_dim: Features of a continuous skill, in [-1, 1].
        n_skills: Number of discrete skills; ``None`` for continuous ones.
        control_interval: Decisions per skill at most.
        n_skill_samples: Other skills that a skill is held against.
        clip: Largest absolute score [nats].
        reward_offset: Added to standardised scores.
        fixed_std: Length at which skills repel each other, in units of the standardised
            change; or a schedule of it by environment steps.
        potential_differences: Whether payment is spread over the skill.
        learner: How the policy learns; ``None`` for a small SAC.
        policy_only: Whether a learner that could plan (TD-MPC2) acts by its policy alone.
            When it plans, it imagines that progress and way stay what they are.
        **options: Other fields of :class:`SkillLevel`.

    Returns:
        The description.

    Raises:
        ConfigurationError: If a number cannot work.
    """
    objective = SPlaTES(
        n_skill_samples=n_skill_samples,
        fixed_std=fixed_std,
        clip=clip,
        reward_offset=reward_offset,
        potential_differences=potential_differences,
    )
    return SkillLevel(
        objective=objective,
        learner=_learner(learner, policy_only, n_steps=5),
        skill_space=_skill_space(skill_dim, n_skills),
        control_interval=control_interval,
        **options,
    )


def DADSLevel(
    skill_dim: int = 2,
    n_skills: int | None = None,
    n_skill_samples: int = 100,
    clip: float = 50.0,
    reward_offset: float = 1.0,
    fixed_std: Schedule | float = 0.1,
    learner: LearnerConfig | None = None,
    policy_only: bool = False,
    **options: Any,
) -> SkillLevel:
    """Describe a level whose skills are predictable step by step.

    Sharma et al., "Dynamics-Aware Unsupervised Discovery of Skills", ICLR 2020. The level
    above decides at every step and is to keep its decisions for several: see
    ``n_repeats`` of :class:`~layeredrl.planners.PlannerConfig`.

    Args:
        skill_dim: Features of a continuous skill, in [-1, 1].
        n_skills: Number of discrete skills; ``None`` for continuous ones.
        n_skill_samples: Other skills that a skill is held against.
        clip: Largest absolute score [nats].
        reward_offset: Added to standardised scores.
        fixed_std: Length at which skills repel each other, in units of the standardised
            change; or a schedule of it by environment steps.
        learner: How the policy learns; ``None`` for a small SAC.
        policy_only: Whether a learner that could plan acts by its policy alone.
        **options: Other fields of :class:`SkillLevel`.

    Returns:
        The description.

    Raises:
        ConfigurationError: If a number cannot work.
    """
    objective = DADS(
        n_skill_samples=n_skill_samples,
        fixed_std=fixed_std,
        clip=clip,
        reward_offset=reward_offset,
    )
    return SkillLevel(
        objective=objective,
        learner=_learner(learner, policy_only, n_steps=1),
        skill_space=_skill_space(skill_dim, n_skills),
        control_interval=1,
        **{"n_value_samples": 0, "learning": _DADS_LEARNING, **options},
    )


def _skill_space(skill_dim: int, n_skills: int | None) -> spaces.Space:
    if n_skills is not None:
        if n_skills < 2:
            raise ConfigurationError(f"n_skills must be at least 2, got {n_skills}")
        return spaces.Discrete(n_skills)
    if skill_dim < 1:
        raise ConfigurationError(f"skill_dim must be at least 1, got {skill_dim}")
    return spaces.Box(-1.0, 1.0, (skill_dim,), np.float32)


def _learner(
    learner: LearnerConfig | None, policy_only: bool, n_steps: int
) -> LearnerConfig:
    if learner is None:
        return SACConfig(hidden_sizes=(64, 64), lr=1e-3, n_steps=n_steps)
    if policy_only and isinstance(learner, TDMPC2Config):
        return replace(learner, use_policy=True)
    return learner
