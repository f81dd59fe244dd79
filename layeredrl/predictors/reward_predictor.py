"""The predictor that learns everything, the encoder through the reward."""

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gin
import torch
from tianshou.data import Batch, ReplayBuffer
from torch import Tensor, nn
from torch.nn import Module

from layeredrl.errors import ConfigurationError
from layeredrl.models import Model
from layeredrl.nets import TransitionReward
from layeredrl.nets.encoder import map_observation
from layeredrl.predictors.delta_standardizer import DeltaStandardizer
from layeredrl.predictors.grouped_adam import GroupedAdam
from layeredrl.predictors.hindsight import Hindsight
from layeredrl.predictors.losses import as_transitions, reward_loss, value_loss
from layeredrl.predictors.model_batch import encoded_transitions, picked_transitions
from layeredrl.predictors.predictor import Predictor
from layeredrl.predictors.replay_tensors import as_batch, as_observation
from layeredrl.predictors.sequence_window import check_stretch
from layeredrl.predictors.trajectory_batch import (
    TrajectoryBatch,
    sample_trajectory_batch,
    value_targets,
)
from layeredrl.predictors.transition_batch import (
    TransitionBatch,
    sample_transition_batch,
)
from layeredrl.utils.buffers import generator_of
from layeredrl.utils.schedules import Schedule, as_schedule

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


# Vectors for so many updates are gathered at once; images and sequences for one.
_UPDATES_AHEAD = 8


@gin.configurable
class RewardPredictor(Predictor):
    """Predictor that learns the encoder via the reward function.

    Gradients from fitting the reward are backpropagated to the encoder; dynamics and
    value are learned on detached latents. One Adam with four parameter groups (model,
    value, reward, encoder) takes all steps.

    Attributes:
        optimizer: Backpropagates, clips and steps.
    """

    def __init__(
        self,
        model: Model,
        val_func: Module | None,
        rew_func: Module | None,
        encoder: Module,
        latent_state_dim: int,
        context_dim: int,
        gamma: float = 0.99,
        tau: float = 0.005,
        k_steps: int = 1,
        n_steps: int = 1,
        learn_encoder: bool = True,
        consistency_loss_weight: float = 1.0,
        value_loss_weight: float = 1.0,
        rew_loss_weight: float = 1.0,
        delta_standardizer_lr: float = 0.001,
        encoder_lr: Schedule | float = 0.0003,
        reward_lr: Schedule | float = 0.0003,
        model_lr: Schedule | float = 0.0003,
        value_lr: Schedule | float = 0.0003,
        encoder_warm_up: int = 20,
        delta_standardizer: bool = True,
        clip_grad_max_norm: float | None = 20.0,
        device: torch.device = torch.device("cpu"),
        writer: "SummaryWriter | None" = None,
        log_interval: int = 10,
        hindsight: Hindsight | None = None,
    ):
        """Put the parts together.

        Args:
            model: Dynamics and termination, on latent state, context and action.
            val_func: Value of (state, context, action); ``None`` for no value term and no
                bootstrapping.
            rew_func: Reward of (state, context, action), or a
                :class:`~layeredrl.nets.TransitionReward`; it may have no parameters.
            encoder: Maps observations to latent state and context.
            latent_state_dim: Features of the latent state Z.
            context_dim: Features of the context C.
            gamma: Discount per environment step, in [0, 1].
            tau: Share of the value network that enters its target network after each
                step, in [0, 1].
            k_steps: Length of the stretches of episodes on which values are learned.
            n_steps: Rewards per return before bootstrapping.
            learn_encoder: Whether the reward trains the encoder.
            consistency_loss_weight: Weight of the dynamics loss.
            value_loss_weight: Weight of the value loss.
            rew_loss_weight: Weight of the reward loss.
            delta_standardizer_lr: Learning rate of the delta standardizer.
            encoder_lr: Learning rate of the encoder, by environment steps.
            reward_lr: Learning rate of the reward function, by environment steps.
            model_lr: Learning rate of the model, by environment steps.
            value_lr: Learning rate of the value function, by environment steps.
            encoder_warm_up: For that many calls of :meth:`learn` only encoder and reward
                are trained; without a learned encoder there is nothing to warm up.
            delta_standardizer: Whether changes of the latent state are whitened in
                :meth:`get_standardized_log_prob`.
            clip_grad_max_norm: Largest norm of all gradients together; ``None`` for no
                clipping.
            device: Where everything is put.
            writer: Also gets the numbers of every ``log_interval``-th call of ``learn``.
            log_interval: Calls of ``learn`` between two entries.
            hindsight: Gives stretches of episodes from which rewards and values are
                learned other goals; ``None`` for those that were asked for.

        Raises:
            ConfigurationError: If a number is outside its range, or a stretch of
                ``k_steps + n_steps`` is too long for an encoder with memory.
        """
        super().__init__(
            model,
            val_func,
            rew_func,
            encoder,
            latent_state_dim,
            context_dim,
            device,
            writer,
            log_interval,
        )
        _check_numbers(gamma, tau, k_steps, n_steps, clip_grad_max_norm)
        if self.encoder.max_seq_len is not None:
            check_stretch(k_steps + n_steps, self.encoder.max_seq_len)
        self.gamma, self.tau = gamma, tau
        self.k_steps, self.n_steps = k_steps, n_steps
        self.learn_encoder = learn_encoder
        self.consistency_loss_weight = consistency_loss_weight
        self.value_loss_weight = value_loss_weight
        self.rew_loss_weight = rew_loss_weight
        self.encoder_warm_up = encoder_warm_up if learn_encoder else 0
        self.hindsight = hindsight
        self.target_val_func = copy.deepcopy(self.val_func)
        if self.target_val_func is not None:
            self.target_val_func.requires_grad_(False)
        self.delta_standardizer = (
            DeltaStandardizer(latent_state_dim) if delta_standardizer else nn.Identity()
        ).to(device)
        self.optimizer = GroupedAdam(
            {
                "model": self.model.parameters(),
                "value": _parameters(self.val_func),
                "reward": _parameters(self.rew_func),
                "encoder": self.encoder.parameters() if learn_encoder else (),
            },
            {
                "model": as_schedule(model_lr),
                "value": as_schedule(value_lr),
                "reward": as_schedule(reward_lr),
                "encoder": as_schedule(encoder_lr),
            },
            clip_grad_max_norm,
        )
        self._standardizer_optimizer = torch.optim.Adam(
            [{"params": list(self.delta_standardizer.parameters())}],
            delta_standardizer_lr,
            fused=delta_standardizer,
        )
        self.eval()

    def learn(
        self,
        buffer: ReplayBuffer,
        n_steps: int,
        batch_size: int,
        model_batch_size: int,
        n_total_env_steps: int,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Sample batches, calculate losses, and take optimizer steps.

        Args:
            buffer: Where partial trajectories and transitions are sampled.
            n_steps: Number of optimizer steps; 0 is legal.
            batch_size: Partial trajectories per step, for reward and value.
            model_batch_size: Single transitions per step, for the model.
            n_total_env_steps: Environment steps taken so far; schedules read it.

        Returns:
            The last loss and a dict with its terms, as detached 0-dim tensors; a loss of
            zero and an empty dict where no step was taken. As long as the buffer is empty
            learning waits: nothing changes, and the call does not count.

        Raises:
            ConfigurationError: If a batch size is not positive.
        """
        loss = torch.zeros((), device=self.device)
        metrics: dict[str, Tensor] = {}
        if len(buffer) == 0:
            return loss, metrics
        self.optimizer.set_learning_rates(n_total_env_steps)
        self._set_training_mode()
        try:
            samples = self._samples(buffer, n_steps, batch_size, model_batch_size)
            for step, (stretches, transitions) in enumerate(samples):
                latents = self._encoded(stretches, self.k_steps + self.n_steps)
                model_batch = self._model_batch(stretches, transitions, *latents)
                batch = self._with_targets(
                    stretches, *latents, self.k_steps, self.n_steps, self.gamma
                )
                if step == 0:  # within a call the replayed data stay the same
                    self._observe(batch, model_batch, n_total_env_steps)
                loss, metrics = self.loss(batch, self._disturbed(model_batch))
                metrics["grad_norm"] = self.optimizer.step(loss)
                self._after_step(model_batch)
        finally:
            self.eval()
        self.n_learn_calls += 1
        self._log(metrics, n_total_env_steps)
        return loss.detach(), metrics

    def loss(  # type: ignore[override]  # the API page gives this class a second batch
        self, batch: Batch, model_batch: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss; changes nothing.

        Args:
            batch: What :meth:`compute_targets` returns; first axis B, second time.
            model_batch: What :meth:`sample_model_batch` returns; first axis B.

        Returns:
            The weighted sum of dynamics, value and reward loss (during the encoder's
            warm-up the reward loss alone), and a dict with the terms, detached.
        """
        rew_loss = reward_loss(batch, self.rew_func, self._reward)
        loss = self.rew_loss_weight * rew_loss
        metrics = {"rew_loss": rew_loss.detach()}
        if not self._is_warming_up:
            model = self.model.loss(as_transitions(model_batch))
            val_loss = value_loss(batch, self.val_func)
            loss = (
                loss
                + self.consistency_loss_weight * model.loss
                + self.value_loss_weight * val_loss
            )
            metrics |= {
                "consistency_loss": model.loss.detach(),
                "value_loss": val_loss.detach(),
                **model.metrics,
            }
        metrics["loss"] = loss.detach()
        return loss, metrics

    def compute_targets(
        self,
        buffer: ReplayBuffer,
        batch_size: int,
        k_steps: int,
        n_steps: int,
        gamma: float = 0.99,
    ) -> Batch:
        """Sample stretches of episodes and compute the value targets of their first k steps.

        Bootstraps at the end of an unfinished episode, which is treated like a truncated
        one. Cumulative discounted sums make it O(k + n).

        Args:
            buffer: Where to sample.
            batch_size: Number of stretches B.
            k_steps: Steps with a target.
            n_steps: Rewards per target.
            gamma: Discount per environment step.

        Returns:
            A batch, with T = k_steps + n_steps: ``obs (B, T, O)``, ``state`` and
            ``next_state (B, T, Z)``, ``contexts (B, C)`` of the first step, ``act
            (B, T, A)``, ``rew``, ``terminated``, ``validity_mask`` and ``planned`` (1.0
            where the action was not random) each (B, T), ``value (B, k_steps)``,
            ``traj_len (B,)``, ``indices (T, B)``.
        """
        batch = self._stretches(buffer, batch_size, k_steps + n_steps)
        latents = self._encoded(batch, k_steps + n_steps)
        return self._with_targets(batch, *latents, k_steps, n_steps, gamma)

    def sample_model_batch(self, buffer: ReplayBuffer, batch_size: int) -> Batch:
        """Sample single random transitions for the model, their latents detached.

        Args:
            buffer: Where to sample.
            batch_size: Number of transitions B.

        Returns:
            A batch with ``state`` and ``next_state (B, Z)``, ``context`` and
            ``next_context (B, C)``, ``act (B, A)``, ``terminated (B,)``,
            ``validity_mask (B,)``, and ``obs`` and ``obs_next (B, O)``.
        """
        transitions = self._transitions(buffer, batch_size)
        if not isinstance(transitions, Tensor):
            return encoded_transitions(transitions, self.encoder)
        stretches = self._stretches(buffer, batch_size, 1)
        state, context = self._encoded(stretches, 1)
        every = (torch.arange(batch_size, dtype=torch.float64) + 0.5) / batch_size
        return picked_transitions(
            stretches.first(1), state, context, every.to(self.device)
        )

    def training_state(self) -> dict[str, Any]:
        """Copy what only training needs.

        Returns:
            The optimizers' states.
        """
        standardizer = self._standardizer_optimizer.state_dict()
        return {
            "optimizer": self.optimizer.state_dict(),
            "standardizer_optimizer": copy.deepcopy(standardizer),
        }

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`training_state` returned.

        Args:
            state: The state.
        """
        self.optimizer.load_state_dict(state["optimizer"])
        # Adam would go on in the very tensors that it is given.
        standardizer = copy.deepcopy(state["standardizer_optimizer"])
        self._standardizer_optimizer.load_state_dict(standardizer)

    @property
    def _is_warming_up(self) -> bool:
        """Whether only the map to the latent space is learned."""
        # The order spares the counter's transfer from a GPU where there is no warm-up.
        return (
            self.encoder_warm_up > 0 and int(self.n_learn_calls) < self.encoder_warm_up
        )

    def _set_training_mode(self) -> None:
        self.train()
        if not self.learn_encoder:
            self.encoder.eval()
        if self.target_val_func is not None:
            self.target_val_func.eval()  # targets are not to be dropped out

    def _samples(
        self, buffer: ReplayBuffer, n_updates: int, batch_size: int, model_size: int
    ) -> Iterator[tuple[TrajectoryBatch, TransitionBatch | Tensor]]:
        """Draw what each update needs, for several updates at a time."""
        ahead = _UPDATES_AHEAD
        if isinstance(buffer.obs, Batch) or self.encoder.max_seq_len is not None:
            ahead = 1
        for first in range(0, n_updates, ahead):
            count = min(ahead, n_updates - first)
            stretches = self._stretches(
                buffer, count * batch_size, self.k_steps + self.n_steps
            )
            transitions = self._transitions(buffer, count * model_size)
            for i in range(count):
                own = slice(i * model_size, (i + 1) * model_size)
                rows = slice(i * batch_size, (i + 1) * batch_size)
                yield (
                    stretches if count == 1 else stretches.rows(rows),
                    (
                        transitions[own]
                        if isinstance(transitions, Tensor)
                        else transitions.rows(own)
                    ),
                )

    def _stretches(
        self, buffer: ReplayBuffer, batch_size: int, n_steps: int
    ) -> TrajectoryBatch:
        batch = sample_trajectory_batch(
            buffer,
            batch_size,
            n_steps,
            self.model.encode_actions,
            self.device,
            self.encoder.max_seq_len,
            self.encoder.stretches_per_window,
        )
        if self.hindsight is None:
            return batch
        return self.hindsight.relabelled(batch, buffer, self.gamma)

    def _transitions(
        self, buffer: ReplayBuffer, batch_size: int
    ) -> TransitionBatch | Tensor:
        """Draw single transitions, or where memory needs their past: which of stretches."""
        if self.encoder.max_seq_len is not None:
            shares = torch.from_numpy(generator_of(buffer).random(batch_size))
            return shares.to(self.device)
        return sample_transition_batch(
            buffer, batch_size, self.model.encode_actions, self.device
        )

    def _encoded(self, batch: TrajectoryBatch, n_steps: int) -> tuple[Tensor, Tensor]:
        """Encode the first steps and their successors."""
        with torch.set_grad_enabled(self.learn_encoder and torch.is_grad_enabled()):
            return batch.first(n_steps).encoded_by(self.encoder)

    def _with_targets(
        self,
        batch: TrajectoryBatch,
        state: Tensor,
        context: Tensor,
        k_steps: int,
        n_steps: int,
        gamma: float,
    ) -> Batch:
        batch = batch.first(k_steps + n_steps)
        with torch.no_grad():
            value = value_targets(
                batch,
                state,
                context[:, 0],
                self._target_value,
                k_steps,
                n_steps,
                gamma,
            )
        fields = batch._asdict() | {
            "obs": map_observation(batch.obs, lambda x: x[:, :-1]),
            "state": state[:, :-1],
            "next_state": state[:, 1:],
            "contexts": context[:, 0],
            "value": value,
        }
        del fields["window"]
        return as_batch(fields)

    def _model_batch(
        self,
        stretches: TrajectoryBatch,
        transitions: TransitionBatch | Tensor,
        state: Tensor,
        context: Tensor,
    ) -> Batch:
        if isinstance(transitions, Tensor):
            stretches = stretches.first(state.shape[1] - 1)
            return picked_transitions(stretches, state, context, transitions)
        return encoded_transitions(transitions, self.encoder)

    def _target_value(self, state: Tensor, context: Tensor, action: Tensor) -> Tensor:
        if self.target_val_func is None:
            return state.new_zeros(state.shape[:-1])
        value: Tensor = self.target_val_func(state, context, action)
        return value

    @torch.no_grad()
    def _observe(
        self, batch: Batch, model_batch: Batch, n_total_env_steps: int
    ) -> None:
        """Let all parts follow the data's statistics."""
        if self.learn_encoder:
            self.encoder.observe(
                as_observation(model_batch.obs), as_observation(model_batch.obs_next)
            )
        self.model.observe(as_transitions(model_batch), n_total_env_steps)
        # The first step of a stretch is always valid, so no mask is needed.
        inputs = (batch.state[:, 0], batch.contexts, batch.act[:, 0])
        if self.rew_func is not None:
            reached = isinstance(self.rew_func, TransitionReward)
            extra = (batch.next_state[:, 0],) if reached else ()
            self.rew_func.observe((*inputs, *extra), batch.rew[:, 0])
        if self._is_warming_up:
            return
        if isinstance(self.delta_standardizer, DeltaStandardizer):
            self.delta_standardizer.observe(model_batch.next_state - model_batch.state)
        for function in (self.val_func, self.target_val_func):
            if function is not None:
                function.observe(inputs, batch.value[:, 0])

    def _disturbed(self, model_batch: Batch) -> Batch:
        """Let the model learn from states beside those that were seen, if it wants to."""
        state = self.model.disturbed(model_batch.state, self.generator)
        if state is model_batch.state:
            return model_batch
        disturbed = Batch(model_batch)
        disturbed.state = state
        return disturbed

    def _after_step(self, model_batch: Batch) -> None:
        """Fit the standardizer, and let the target network follow."""
        if self._is_warming_up:
            return
        if isinstance(self.delta_standardizer, DeltaStandardizer):
            delta = model_batch.next_state - model_batch.state
            self.delta_standardizer.set_gradient(delta)
            self._standardizer_optimizer.step()
        if self.target_val_func is not None and self.val_func is not None:
            target = [p.data for p in self.target_val_func.parameters()]
            online = [p.data for p in self.val_func.parameters()]
            if target:
                torch._foreach_lerp_(target, online, self.tau)


def _parameters(module: Module | None) -> list[nn.Parameter]:
    return [] if module is None else list(module.parameters())


def _check_numbers(
    gamma: float, tau: float, k_steps: int, n_steps: int, max_norm: float | None
) -> None:
    if not 0 <= gamma <= 1 or not 0 <= tau <= 1:
        raise ConfigurationError(f"gamma and tau are in [0, 1], got {gamma} and {tau}")
    if k_steps < 1 or n_steps < 1:
        raise ConfigurationError(
            f"k_steps and n_steps must be at least 1, got {k_steps} and {n_steps}"
        )
    if max_norm is not None and not max_norm > 0:
        raise ConfigurationError(
            f"clip_grad_max_norm must be positive or None, got {max_norm}"
        )
