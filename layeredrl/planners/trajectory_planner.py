"""Planning by optimising sequences of actions in imagination."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layeredrl.errors import CheckpointError, ConfigurationError, ShapeError
from layeredrl.optimizers import Optimizer, Solution, shift_sequences
from layeredrl.planners.planner import Planner
from layeredrl.planners.trajectory_objective import (
    AuxiliaryReward,
    ObjectiveConfig,
    TrajectoryObjective,
    disagreement,
)
from layeredrl.predictors import Predictor
from layeredrl.types import Plan, PlanInfo
from layeredrl.utils.checkpoints import to_array
from layeredrl.utils.seeding import set_torch_generator_state, torch_generator


@dataclass(frozen=True)
class PlannerConfig:
    """Numbers of a :class:`TrajectoryPlanner`."""

    horizon: int = 15
    """Planned decisions T, at least 1."""
    n_repeats: int = 1
    """Steps of the model for which each planned decision is kept, at least 1."""
    n_followed: int = 1
    """Planned decisions that are carried out before the next search, 1 to ``horizon``."""
    warm_start: bool = True
    """Whether a search starts from the instance's last plan, shifted by one step."""
    time_budget: float | None = None
    """Seconds per call after which no further iteration starts; ``None`` for no limit.
    With a limit results depend on the machine's speed."""
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """What counts in an imagined trajectory."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if min(self.horizon, self.n_repeats) < 1:
            raise ConfigurationError(
                "horizon and n_repeats must be at least 1, got "
                f"{self.horizon} and {self.n_repeats}"
            )
        if not 1 <= self.n_followed <= self.horizon:
            raise ConfigurationError(
                f"n_followed must be in 1 .. horizon, which is {self.horizon}, got "
                f"{self.n_followed}"
            )
        if self.time_budget is not None and self.time_budget <= 0:
            raise ConfigurationError(
                f"time_budget must be positive or None, got {self.time_budget}"
            )


class TrajectoryPlanner(Planner):
    """Receding-horizon control with any sequence optimizer.

    Each call searches for the best sequence of ``horizon`` actions per instance, of which
    the caller executes the first. All instances are planned in one batch.
    """

    def __init__(
        self,
        predictor: Predictor,
        optimizer: Optimizer,
        n_instances: int,
        seed: np.random.SeedSequence,
        config: PlannerConfig = PlannerConfig(),
        auxiliary_rewards: Sequence[AuxiliaryReward] = (),
    ):
        """Put the parts together.

        Args:
            predictor: Imagines.
            optimizer: Searches, on the predictor's device.
            n_instances: Environment instances whose plans are remembered.
            seed: Seeds the generator of the search.
            config: Horizon and the like.
            auxiliary_rewards: Further terms of the objective.

        Raises:
            ConfigurationError: If the predictor lacks what counts: a value or several members.
        """
        config.objective.check(predictor)
        self.predictor = predictor
        self.optimizer = optimizer
        self.config = config
        self.n_repeats, self.n_followed = config.n_repeats, config.n_followed
        self._auxiliary_rewards = tuple(auxiliary_rewards)
        self._generator = torch_generator(seed, predictor.device)
        self._initial_mean = optimizer.initial_mean(1, config.horizon)
        self._mean = self._initial_mean.repeat(n_instances, 1, 1)
        self._has_plan = np.zeros(n_instances, dtype=bool)
        self._carried: Tensor | None = None

    def plan(self, state: Tensor, context: Tensor, active: np.ndarray) -> Plan:
        """Search for the best sequences, starting from the last plans.

        Raises:
            ShapeError: If states, contexts and instances are not equally many.
        """
        if not len(state) == len(context) == len(active):
            raise ShapeError(
                f"got {len(state)} states and {len(context)} contexts for "
                f"{len(active)} instances"
            )
        deadline = None
        if self.config.time_budget is not None:
            deadline = time.monotonic() + self.config.time_budget
        with torch.set_grad_enabled(self.optimizer.needs_gradient):
            objective = TrajectoryObjective(
                self.predictor,
                state.detach(),
                context.detach(),
                self.config.objective,
                self._auxiliary_rewards,
                self.n_repeats,
            )
            index = torch.from_numpy(active).to(state.device)
            solution = self.optimizer.optimize(
                objective,
                self._mean[index],
                self._generator,
                candidates=None if self._carried is None else self._carried[index],
                deadline=deadline,
            )
        with torch.no_grad():
            if self.config.warm_start:
                self._remember(solution, index, active)
            actions = objective.repeated(solution.chosen)
            return Plan(actions, self._describe(solution, actions, objective))

    def reset(self, instances: np.ndarray) -> None:
        """Start the next search of these instances from nothing."""
        known = instances[self._has_plan[instances]]
        if known.size:
            index = torch.from_numpy(known).to(self._mean.device)
            self._mean[index] = self._initial_mean
            if self._carried is not None:
                self._carried[index] = self._initial_mean
            self._has_plan[known] = False

    def state_dict(self) -> dict[str, Any]:
        """Copy plans in flight and the generator."""
        return {
            "mean": self._mean.clone(),
            "has_plan": self._has_plan.copy(),
            "carried": None if self._carried is None else self._carried.clone(),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore plans in flight and the generator.

        Raises:
            CheckpointError: If they are of other instances, horizon or actions.
        """
        if state["mean"].shape != self._mean.shape:
            raise CheckpointError(
                f"the saved plans have shape {tuple(state['mean'].shape)}, this planner's "
                f"{tuple(self._mean.shape)}"
            )
        self._mean = state["mean"].to(self._mean.device, copy=True)
        self._has_plan = to_array(state["has_plan"])
        carried = state["carried"]
        self._carried = (
            None if carried is None else carried.to(self._mean.device, copy=True)
        )
        set_torch_generator_state(self._generator, state["generator"])

    def _remember(self, solution: Solution, index: Tensor, active: np.ndarray) -> None:
        self._mean[index] = shift_sequences(solution.mean, self.n_followed)
        self._has_plan[active] = True
        carried = self.optimizer.carry_over(solution)
        if carried is None:
            return
        if self._carried is None:
            count = carried.shape[1]
            self._carried = (
                self._initial_mean.unsqueeze(1)
                .expand(len(self._mean), count, -1, -1)
                .clone()
            )
        self._carried[index] = shift_sequences(carried, self.n_followed - 1)

    def _describe(
        self, solution: Solution, actions: Tensor, objective: TrajectoryObjective
    ) -> PlanInfo:
        rollout, context = objective.rollout(actions)
        return PlanInfo(
            mean=solution.mean,
            std=solution.std,
            value=objective.value(rollout, context, actions),
            predicted_return=objective.predicted_return(rollout).mean((1, 2)),
            predicted_states=rollout.state.mean((1, 2)),
            predicted_rewards=rollout.rew.mean((1, 2)),
            disagreement=disagreement(rollout),
            n_iterations=solution.n_iterations,
        )
