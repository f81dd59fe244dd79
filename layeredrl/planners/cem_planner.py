"""Planning with the cross-entropy method."""

from collections.abc import Sequence

import numpy as np
from gymnasium import spaces

from layeredrl.errors import ConfigurationError
from layeredrl.optimizers import CEM, ICEM, CEMConfig, ICEMConfig
from layeredrl.planners.optimizer_factory import box_bounds
from layeredrl.planners.trajectory_objective import AuxiliaryReward
from layeredrl.planners.trajectory_planner import PlannerConfig, TrajectoryPlanner
from layeredrl.predictors import Predictor


class CEMPlanner(TrajectoryPlanner):
    """CEM (Chua et al. 2018) or iCEM (Pinneri et al. 2020) over ``Box`` actions."""

    def __init__(
        self,
        predictor: Predictor,
        action_space: spaces.Space,
        n_instances: int,
        seed: np.random.SeedSequence,
        config: PlannerConfig = PlannerConfig(),
        search: CEMConfig | ICEMConfig | None = None,
        use_icem: bool = True,
        auxiliary_rewards: Sequence[AuxiliaryReward] = (),
    ):
        """Build planner and optimizer.

        Args:
            predictor: Imagines.
            action_space: A bounded ``Box``.
            n_instances: Environment instances whose plans are remembered.
            seed: Seeds the generator of the search.
            config: Horizon and the like.
            search: Numbers of the optimizer; ``None`` for its defaults.
            use_icem: Whether to use iCEM; else plain CEM.
            auxiliary_rewards: Further terms of the objective.

        Raises:
            SpaceError: If the action space is not a bounded ``Box``.
            ConfigurationError: If ``search`` belongs to the other method.
        """
        low, high = box_bounds(action_space)
        if search is None:
            search = ICEMConfig() if use_icem else CEMConfig()
        optimizer: CEM | ICEM
        if use_icem and isinstance(search, ICEMConfig):
            optimizer = ICEM(low, high, search, device=predictor.device)
        elif not use_icem and isinstance(search, CEMConfig):
            optimizer = CEM(low, high, search, device=predictor.device)
        else:
            expected = "ICEMConfig" if use_icem else "CEMConfig"
            raise ConfigurationError(
                f"use_icem={use_icem} needs a {expected}, got {search!r}"
            )
        super().__init__(
            predictor, optimizer, n_instances, seed, config, auxiliary_rewards
        )
