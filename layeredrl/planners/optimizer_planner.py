"""Planning with any sequence optimizer."""

from collections.abc import Callable, Sequence

import numpy as np
from gymnasium import spaces

from layeredrl.optimizers import Optimizer
from layeredrl.planners.optimizer_factory import build_optimizer
from layeredrl.planners.trajectory_objective import AuxiliaryReward
from layeredrl.planners.trajectory_planner import PlannerConfig, TrajectoryPlanner
from layeredrl.predictors import Predictor


class OptimizerPlanner(TrajectoryPlanner):
    """Plans with the optimizer one hands it, over ``Box`` or ``Discrete`` actions."""

    def __init__(
        self,
        predictor: Predictor,
        action_space: spaces.Space,
        n_instances: int,
        seed: np.random.SeedSequence,
        partial_optimizer: Callable[..., Optimizer],
        config: PlannerConfig = PlannerConfig(),
        auxiliary_rewards: Sequence[AuxiliaryReward] = (),
    ):
        """Build planner and optimizer.

        Args:
            predictor: Imagines.
            action_space: A bounded ``Box``, or ``Discrete``.
            n_instances: Environment instances whose plans are remembered.
            seed: Seeds the generator of the search.
            partial_optimizer: Called with the bounds (A,) and (A,) of a ``Box``, or the
                number of choices, and ``device=``; for example
                ``partial(MPPI, config=MPPIConfig(temperature=0.5))``.
            config: Horizon and the like.
            auxiliary_rewards: Further terms of the objective.

        Raises:
            SpaceError: If the optimizer cannot search the action space.
        """
        optimizer = build_optimizer(partial_optimizer, action_space, predictor.device)
        super().__init__(
            predictor, optimizer, n_instances, seed, config, auxiliary_rewards
        )
