"""The predictor of a planner level, seeded and told where it is."""

from typing import TYPE_CHECKING

import numpy as np

from layeredrl.levels.level import LevelSpec
from layeredrl.predictors import Predictor
from layeredrl.utils.seeding import seeded_initialization, torch_generator

if TYPE_CHECKING:
    from layeredrl.levels.planner_level import PlannerLevel


def owned_predictor(
    recipe: "PlannerLevel",
    spec: LevelSpec,
    weights: np.random.SeedSequence,
    rollouts: np.random.SeedSequence,
) -> Predictor:
    """Build a level's predictor.

    Args:
        recipe: The level's description.
        spec: Where it will run.
        weights: Seed of the initial weights.
        rollouts: Seed of what is imagined.

    Returns:
        The predictor in evaluation mode. What it relabels in hindsight is paid in the unit
        in which the level stores rewards.
    """
    with seeded_initialization(weights):
        predictor = recipe.predictor_factory(
            spec.obs_shape, spec.action_space, spec.device, spec.writer
        )
    predictor.generator = torch_generator(rollouts, spec.device)
    predictor.decision_interval = spec.decision_interval
    if predictor.hindsight is not None:
        predictor.hindsight = predictor.hindsight.paying(
            "mean" if recipe.use_mean_reward else "sum"
        )
    predictor.eval()
    return predictor
