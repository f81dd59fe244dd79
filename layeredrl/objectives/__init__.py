"""Objectives: what a level can be asked to do, and what doing it pays."""

from layeredrl.objectives.environment_reward import EnvironmentReward
from layeredrl.objectives.goal_reaching import GoalReaching
from layeredrl.objectives.objective import Objective, Pursuit

__all__ = ["EnvironmentReward", "GoalReaching", "Objective", "Pursuit"]
