"""Tianshou's on-policy algorithms as learners."""

from collections.abc import Callable
from typing import Any

import torch
from tianshou.algorithm.algorithm_base import Algorithm, OnPolicyAlgorithm
from tianshou.data import Batch
from tianshou.utils.torch_utils import policy_within_training_step, torch_train_mode
from torch import Tensor

from layeredrl.learners.learner import LearnerSpec
from layeredrl.learners.tianshou.learner import TianshouLearner, metrics_of
from layeredrl.predictors.trajectory_batch import TrajectoryBatch
from layeredrl.utils.mapped_observations import vector_part
from layeredrl.utils.returns import generalized_advantages


class OnPolicyLearner(TianshouLearner):
    """An algorithm that learns from what its current policy met, once."""

    algorithm: OnPolicyAlgorithm
    is_on_policy = True

    def __init__(
        self,
        spec: LearnerSpec,
        build_algorithm: Callable[[LearnerSpec], Algorithm],
        gamma: float,
        gae_lambda: float,
        n_epochs: int,
        minibatch_size: int | None,
    ):
        """Build the algorithm.

        Args:
            spec: Where it learns.
            build_algorithm: Builds it from the spec.
            gamma: Discount per environment step.
            gae_lambda: Weight of longer returns in the advantages.
            n_epochs: Passes over the fresh experience.
            minibatch_size: Decisions per gradient step; ``None`` for all at once.

        Raises:
            SpaceError: If it cannot see or act in these spaces.
        """
        super().__init__(spec, build_algorithm, gamma)
        self._gae_lambda = gae_lambda
        self._n_epochs = n_epochs
        self._minibatch_size = minibatch_size

    def update(self, batch: TrajectoryBatch) -> dict[str, Tensor]:
        """Take all passes over fresh experience."""
        obs = vector_part(batch.obs)
        valid = batch.validity_mask.bool()
        critic: Any = self.algorithm.critic
        with (
            self._generators.lent(),
            policy_within_training_step(self.algorithm.policy),
        ):
            with torch.no_grad():
                values = critic(obs.flatten(0, 1)).reshape(obs.shape[:2])
                advantages = generalized_advantages(
                    batch.rew,
                    batch.discounts(self.gamma, torch.float32),
                    values,
                    batch.terminated,
                    batch.traj_len,
                    self._gae_lambda,
                )
                rows = Batch(
                    obs=obs[:, :-1][valid],
                    act=self._raw(batch.act)[valid],
                    v_s=values[:, :-1][valid],
                    returns=(advantages + values[:, :-1])[valid],
                    adv=advantages[valid],
                    info=Batch(),
                )
                if len(rows) == 1:
                    # One advantage has no spread to standardise it by; twice it has.
                    rows = Batch.cat([rows, rows])
                rows.logp_old = self.algorithm.policy(rows).dist.log_prob(rows.act)
            with torch_train_mode(self.algorithm):
                stats = self.algorithm._update_with_batch(
                    rows, self._minibatch_size, self._n_epochs
                )
        return metrics_of(stats, self.spec.device)
