"""Objectives: what a level can be asked to do, and what doing it pays."""

from layeredrl.objectives.dads import DADS
from layeredrl.objectives.environment_reward import EnvironmentReward
from layeredrl.objectives.goal_reaching import GoalReaching
from layeredrl.objectives.objective import Objective, Pursuit
from layeredrl.objectives.skill_objective import SkillObjective
from layeredrl.objectives.skill_outcomes import SkillOutcomes
from layeredrl.objectives.skill_sampler import SkillSampler
from layeredrl.objectives.splates import SPlaTES

__all__ = [
    "DADS",
    "EnvironmentReward",
    "GoalReaching",
    "Objective",
    "Pursuit",
    "SPlaTES",
    "SkillObjective",
    "SkillOutcomes",
    "SkillSampler",
]
