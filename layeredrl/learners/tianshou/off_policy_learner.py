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
from layeredrl.utils.mapped_observations import vector_part
from layeredrl.utils.returns import n_step_returns, return_ends
from layeredrl.utils.schedules import Schedule


class OffPolicyLearner(TianshouLearner):
    """An algorithm that learns from samples of old experience."""

    algorithm: OffPolicyAlgorithm
    learns_from_whole = True

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
        """Take one update towards n-step returns.

        They start at the first step of each stretch; at every step of whole ones.
        """
        device = self.spec.device
        obs = vector_part(batch.obs)
        k_steps = batch.rew.shape[1] if batch.is_whole else 1
        with (
            self._generators.lent(),
            policy_within_training_step(self.algorithm.policy),
        ):
            returns = self._returns(batch, obs, k_steps)
            rows = [obs[:, :k_steps], batch.act[:, :k_steps], returns]
            if k_steps == 1:
                rows = [x.squeeze(1) for x in rows]
            else:
                is_valid = batch.validity_mask.bool()
                rows = [x[is_valid] for x in rows]
            taken = Batch(
                obs=rows[0], act=self._raw(rows[1]), returns=rows[2], info=Batch()
            )
            with torch_train_mode(self.algorithm):
                stats = self.algorithm._update_with_batch(taken)
        return metrics_of(stats, device)

    def _returns(self, batch: TrajectoryBatch, obs: Tensor, k_steps: int) -> Tensor:
        """Returns of the first steps, (B, k)."""
        end = return_ends(batch.traj_len, k_steps, self.n_steps)
        rows = torch.arange(len(end), device=end.device).unsqueeze(1)
        value = self._values_at(batch, obs, end)
        value = value.masked_fill(batch.terminated[rows, end - 1].bool(), 0.0)
        return n_step_returns(
            _extended(batch.rew, k_steps + self.n_steps - 1, 0.0),
            _extended(batch.discounts(self.gamma), k_steps + self.n_steps - 1, 1.0),
            value,
            batch.traj_len,
            self.n_steps,
        )

    def _values_at(self, batch: TrajectoryBatch, obs: Tensor, end: Tensor) -> Tensor:
        """Target values of the states where returns end, (B, k)."""
        rows = torch.arange(len(end), device=end.device)
        # The last state of a stretch, then those in the midst of it where returns end.
        last = obs[rows, batch.traj_len].unsqueeze(1)
        if batch.next_conditions is not None:
            n_options, n_condition = batch.next_conditions.shape[1:]
            last = last[..., :-n_condition].expand(-1, n_options, -1)
            last = torch.cat([last, batch.next_conditions], dim=-1)
        first = min(self.n_steps, obs.shape[1] - 1)
        midst = obs[:, first : min(end.shape[1] + self.n_steps, obs.shape[1] - 1)]
        seen = torch.cat([last, midst], dim=1)
        value = self._target_value(seen.flatten(0, 1)).view(seen.shape[:2])
        n_last = last.shape[1]
        final, value = value[:, :n_last].mean(1, keepdim=True), value[:, n_last:]
        value = torch.cat([value, final], dim=1)
        is_last = end == batch.traj_len.unsqueeze(1)
        at = torch.where(is_last, value.shape[1] - 1, end - first)
        return value.gather(1, at)

    @torch.no_grad()
    def _target_value(self, obs: Tensor) -> Tensor:
        algorithm: Any = self.algorithm
        rows = torch.arange(len(obs), device=obs.device)
        value: Tensor = algorithm._target_q(_Successors(obs), rows)
        return value.flatten()

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


def _extended(x: Tensor, n_steps: int, value: float) -> Tensor:
    """Add steps that do not count, up to some length."""
    missing = n_steps - x.shape[1]
    if missing <= 0:
        return x
    return torch.nn.functional.pad(x, (0, missing), value=value)


class _Successors:
    """Stands for the replay buffer where a target asks it for next observations."""

    def __init__(self, obs_next: Tensor):
        self.obs_next = obs_next

    def __getitem__(self, indices: Tensor) -> "_Successors":
        return self
