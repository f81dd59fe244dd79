"""Predictors: encoder, model, reward and value in one, and how they learn."""

from layeredrl.predictors.backbone_predictor_factories import (
    get_memory_predictor_factory,
    get_pixel_predictor_factory,
)
from layeredrl.predictors.default_predictor_factory import (
    get_default_predictor_factory,
)
from layeredrl.predictors.environment_goal_function import (
    EnvironmentGoalFunction,
    environment_goal_function,
)
from layeredrl.predictors.flat_predictor_factory import get_flat_predictor_factory
from layeredrl.predictors.goal_environments import hindsight_for, known_reward_for
from layeredrl.predictors.hindsight import Hindsight
from layeredrl.predictors.imagination_predictor import ImaginationPredictor
from layeredrl.predictors.predictor import Predictor
from layeredrl.predictors.predictor_factory import PredictorFactory
from layeredrl.predictors.reward_predictor import RewardPredictor
from layeredrl.predictors.rewarded_rollout import RewardedRollout, distinct_particles
from layeredrl.predictors.static_predictor import StaticPredictor

__all__ = [
    "EnvironmentGoalFunction",
    "Hindsight",
    "ImaginationPredictor",
    "Predictor",
    "PredictorFactory",
    "RewardPredictor",
    "RewardedRollout",
    "StaticPredictor",
    "distinct_particles",
    "environment_goal_function",
    "get_default_predictor_factory",
    "get_flat_predictor_factory",
    "get_memory_predictor_factory",
    "get_pixel_predictor_factory",
    "hindsight_for",
    "known_reward_for",
]
