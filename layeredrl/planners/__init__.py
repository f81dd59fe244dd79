"""Planners: from a predictor and an optimizer to a plan."""

from layeredrl.planners.cem_planner import CEMPlanner
from layeredrl.planners.optimizer_planner import OptimizerPlanner
from layeredrl.planners.planner import Planner
from layeredrl.planners.trajectory_objective import (
    AuxiliaryReward,
    ObjectiveConfig,
    TrajectoryObjective,
    disagreement,
)
from layeredrl.planners.trajectory_planner import PlannerConfig, TrajectoryPlanner

__all__ = [
    "AuxiliaryReward",
    "CEMPlanner",
    "ObjectiveConfig",
    "OptimizerPlanner",
    "Planner",
    "PlannerConfig",
    "TrajectoryObjective",
    "TrajectoryPlanner",
    "disagreement",
]
