"""A predictor whose encoder learns what the future depends on."""

from typing import Any

import gin
from tianshou.data import Batch, ReplayBuffer
from torch import Tensor

from layeredrl.errors import ConfigurationError
from layeredrl.predictors.losses import masked_mean
from layeredrl.predictors.replay_tensors import as_batch
from layeredrl.predictors.reward_predictor import RewardPredictor
from layeredrl.predictors.rewarded_rollout import distinct_particles, rollout_rewards
from layeredrl.predictors.trajectory_batch import TrajectoryBatch


@gin.configurable
class ImaginationPredictor(RewardPredictor):
    """Reward predictor that also learns through imagined trajectories.

    The reward of a state says how good it is to be there, not how to get elsewhere: a
    picture's distance to the goal is enough for it. So that a learned latent state holds
    what plans need, the model imagines the steps that were replayed, and two losses flow
    back through it into the encoder: imagined rewards shall be those that were paid (as
    in MuZero, Schrittwieser et al. 2020), and imagined states those that are encoded then
    (consistency, as in TD-MPC, Hansen et al. 2022).
    """

    def __init__(
        self,
        *arguments: Any,
        imagination_steps: int = 10,
        imagined_rew_loss_weight: float = 1.0,
        imagined_state_loss_weight: float = 0.1,
        **named_arguments: Any,
    ):
        """Put the parts together.

        Args:
            *arguments: Of :class:`RewardPredictor`.
            imagination_steps: Steps that are imagined.
            imagined_rew_loss_weight: Weight of the loss of imagined rewards.
            imagined_state_loss_weight: Weight of the loss of imagined states, of which
                the first ``k_steps + n_steps`` are compared.
            **named_arguments: Of :class:`RewardPredictor`.

        Raises:
            ConfigurationError: If a number is outside its range.
        """
        super().__init__(*arguments, **named_arguments)
        if imagination_steps < 1:
            raise ConfigurationError(
                f"imagination_steps must be at least 1, got {imagination_steps}"
            )
        self.imagination_steps = imagination_steps
        self.imagined_rew_loss_weight = imagined_rew_loss_weight
        self.imagined_state_loss_weight = imagined_state_loss_weight

    def loss(  # type: ignore[override]  # as in the base
        self, batch: Batch, model_batch: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss; changes nothing.

        Args:
            batch: What :meth:`compute_targets` returns; first axis B, second time.
            model_batch: What :meth:`sample_model_batch` returns; first axis B.

        Returns:
            The loss of :class:`RewardPredictor` and, after the encoder's warm-up, those of
            imagined rewards and states, weighted; and a dict with the terms, detached.
        """
        loss, metrics = super().loss(batch, model_batch)
        if self._is_warming_up:
            return loss, metrics
        rew_loss, state_loss = self._imagination_losses(batch)
        loss = (
            loss
            + self.imagined_rew_loss_weight * rew_loss
            + self.imagined_state_loss_weight * state_loss
        )
        metrics |= {
            "imagined_rew_loss": rew_loss.detach(),
            "imagined_state_loss": state_loss.detach(),
            "loss": loss.detach(),
        }
        return loss, metrics

    def _stretches(
        self, buffer: ReplayBuffer, batch_size: int, n_steps: int
    ) -> TrajectoryBatch:
        """Sample as far as is imagined; only the first steps will be encoded."""
        return super()._stretches(
            buffer, batch_size, max(n_steps, self.imagination_steps)
        )

    def _with_targets(
        self,
        batch: TrajectoryBatch,
        state: Tensor,
        context: Tensor,
        k_steps: int,
        n_steps: int,
        gamma: float,
    ) -> Batch:
        fields = super()._with_targets(batch, state, context, k_steps, n_steps, gamma)
        paid = batch.first(self.imagination_steps)
        fields.imagined = as_batch(
            {
                "act": paid.act,
                "rew": paid.rew,
                "validity_mask": paid.validity_mask,
            }
        )
        return fields

    def _imagination_losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Squared errors of imagined rewards and states, in units of their spread."""
        paid, context = batch.imagined, batch.contexts
        rollout = self.model.rollout(batch.state[:, 0], context, paid.act, True)
        rew = rollout_rewards(self._reward, rollout, context, paid.act)
        scale = 1.0 if self.rew_func is None else self.rew_func.output_scale
        error = (distinct_particles(rew) - paid.rew[:, None, None]) / scale
        rew_loss = masked_mean(error.square().mean((1, 2)), paid.validity_mask)
        n_steps = min(self.imagination_steps, batch.next_state.shape[1])
        # What imagination shall meet does not move towards it.
        actual = batch.next_state[:, :n_steps].detach()
        rows = actual.flatten(0, 1)
        spread = rows.std(0, correction=min(1, len(rows) - 1)).clamp(min=1e-3)
        states = distinct_particles(rollout.state)[..., 1 : n_steps + 1, :]
        error = (states - actual[:, None, None]) / spread
        mask = batch.validity_mask[:, :n_steps]
        return rew_loss, masked_mean(error.square().mean((1, 2, -1)), mask)
