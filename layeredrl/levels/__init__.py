"""Levels: who decides what, and how each of them learns."""

from layeredrl.levels.action_sequence_level import ActionSequenceLevel
from layeredrl.levels.constant_level import ConstantLevel
from layeredrl.levels.decision_outbox import DecisionOutbox, ForwardedDecisions
from layeredrl.levels.exploration import Exploration
from layeredrl.levels.learner_levels import (
    ActorCriticLevel,
    TDMPC2Level,
    TianshouLevel,
)
from layeredrl.levels.learning_schedule import LearningSchedule
from layeredrl.levels.level import Level, LevelLog, LevelSpec, RunningLevel
from layeredrl.levels.planner_level import PlannerLevel
from layeredrl.levels.policy_level import PolicyLevel
from layeredrl.levels.random_level import RandomLevel
from layeredrl.levels.running_planner_level import RunningPlannerLevel
from layeredrl.levels.running_policy_level import RunningPolicyLevel
from layeredrl.levels.running_skill_level import RunningSkillLevel
from layeredrl.levels.skill_level import SkillLevel
from layeredrl.levels.skill_levels import DADSLevel, SPlaTESLevel
from layeredrl.levels.surprise import Surprise

__all__ = [
    "ActionSequenceLevel",
    "ActorCriticLevel",
    "ConstantLevel",
    "DADSLevel",
    "DecisionOutbox",
    "Exploration",
    "ForwardedDecisions",
    "LearningSchedule",
    "Level",
    "LevelLog",
    "LevelSpec",
    "PlannerLevel",
    "PolicyLevel",
    "RandomLevel",
    "RunningLevel",
    "RunningPlannerLevel",
    "RunningPolicyLevel",
    "RunningSkillLevel",
    "SPlaTESLevel",
    "SkillLevel",
    "Surprise",
    "TDMPC2Level",
    "TianshouLevel",
]
