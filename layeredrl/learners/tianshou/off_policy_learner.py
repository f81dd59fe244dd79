"""Tianshou's off-policy algorithms as learners."""

from collections.abc import Callable
from typing import Any

import torch
from tianshou.algorithm.algorithm_base import Algorithm, OffPolicyAlgorithm
from tianshou.data import Batch
from tianshou.utils.torch_utils import policy_within_training_step, torch_train_mode
from torch import Tensor

from layeredrl.learners.learner import LearnerSpec
from layeredrl.learners.tianshou.learner import TianshouLearner, metrics_of
from layeredrl.predictors.trajectory_batch import TrajectoryBatch
from layeredrl.utils.returns import n_step_returns, return_ends
from layeredrl.utils.schedules import Schedule
from layeredrl.utils.spaces import vector_part


class OffPolicyLearner(TianshouLearner):
    """An algorithm that learns from samples of old experience."""

    algorithm: OffPolicyAlgorithm

    def __init__(
        self,
        spec: LearnerSpec,
        build_algorithm: Callable[[LearnerSpec], Algorithm],
        gamma: float,
        n_steps: int,
        noise: Schedule | None = None,
    ):
        """Build the algorithm.

        Args:
            spec: Where it learns.
            build_algorithm: Builds it from the spec.
            gamma: Discount per environment step.
            n_steps: Rewards per return.
            noise: Over the decisions taken so far, for policies that do not explore by
                themselves: the standard deviation of noise on continuous actions, in half
                ranges, or the share of random discrete ones.

        Raises:
            SpaceError: If it cannot see or act in these spaces.
        """
        super().__init__(spec, build_algorithm, gamma)
        self.n_steps = n_steps
        self._noise = noise

    def update(self, batch: TrajectoryBatch) -> dict[str, Tensor]:
        """Take one update towards n-step returns."""
        device = self.spec.device
        obs = vector_part(batch.obs)
        with (
            self._generators.lent(),
            policy_within_training_step(self.algorithm.policy),
        ):
            rows = Batch(
                obs=obs[:, 0],
                act=self._raw(batch.act[:, 0]),
                returns=self._returns(batch, obs),
                info=Batch(),
            )
            with torch_train_mode(self.algorithm):
                stats = self.algorithm._update_with_batch(rows)
        return metrics_of(stats, device)

    def _returns(self, batch: TrajectoryBatch, obs: Tensor) -> Tensor:
        end = return_ends(batch.traj_len, 1, self.n_steps)[:, 0]
        rows = torch.arange(len(end), device=end.device)
        with torch.no_grad():
            algorithm: Any = self.algorithm
            value = algorithm._target_q(_Successors(obs[rows, end]), rows)
        value = value.flatten().masked_fill(batch.terminated[rows, end - 1].bool(), 0.0)
        discount = batch.discounts(self.gamma)
        return n_step_returns(
            batch.rew, discount, value[:, None], batch.traj_len, self.n_steps
        )[:, 0]

    def _explored(self, action: Tensor) -> Tensor:
        if self._noise is None:
            return action
        level = self._noise(self.n_decisions)
        if not self._is_discrete:
            return action + level * torch.randn_like(action)
        is_random = torch.rand(action.shape, device=action.device) < level
        return torch.where(
            is_random, torch.randint_like(action, self._n_actions), action
        )


class _Successors:
    """Stands for the replay buffer where a target asks it for next observations."""

    def __init__(self, obs_next: Tensor):
        self.obs_next = obs_next

    def __getitem__(self, indices: Tensor) -> "_Successors":
        return self
