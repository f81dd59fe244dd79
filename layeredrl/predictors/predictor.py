"""The contract of all predictors."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tianshou.data import Batch, ReplayBuffer
from torch import Tensor
from torch.nn import Identity, Module

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.models import Model
from layeredrl.nets import (
    Encoder,
    FittedFunction,
    PlainEncoder,
    PlainFunction,
    TransitionReward,
)
from layeredrl.predictors.rewarded_rollout import (
    CACHED_ROWS,
    RewardedRollout,
    distinct_particles,
    rollout_rewards,
)
from layeredrl.types import Prediction
from layeredrl.utils.distributions import log_weights, mixture_log_prob
from layeredrl.utils.partial_trajectories import draw_partial_trajectories

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from layeredrl.predictors.hindsight import Hindsight


class Predictor(Module, ABC):
    """Abstract base class for prediction modules.

    A predictor answers what an agent needs to plan: how observations become latent
    states, what happens next (model), what it pays (reward) and what it is worth in the
    long run (value). Missing parts are null: without a reward function rewards are 0,
    without a value function values are.

    Attributes:
        generator: Source of randomness of stochastic rollouts; whoever owns the
            predictor sets it. ``None`` is torch's global one.
        n_learn_calls: How often :meth:`learn` was called, a saved 0-dim tensor.
        gamma: Discount per environment step that values refer to; 1.0 where nothing is
            discounted.
        decision_interval: Environment steps that one of the predicted actions nominally
            takes; whoever owns the predictor sets it.
        delta_standardizer: Whitens changes of the latent state, in whose units densities
            are told; does nothing unless a subclass fits one.
        learn_encoder: Whether :meth:`learn` changes the encoder.
        hindsight: Relabelling of the experience that it learns from; ``None`` for none.
    """

    gamma: float = 1.0
    decision_interval: int = 1
    hindsight: "Hindsight | None" = None
    learn_encoder: bool = False
    n_learn_calls: Tensor

    def __init__(
        self,
        model: Model,
        val_func: Module | None,
        rew_func: Module | None,
        encoder: Module,
        latent_state_dim: int,
        context_dim: int,
        device: torch.device = torch.device("cpu"),
        writer: "SummaryWriter | None" = None,
        log_interval: int = 10,
    ):
        """Put the parts together.

        Args:
            model: Dynamics and termination, on latent state, context and action.
            val_func: Value of (state, context, action); a state value ignores the
                action. ``None`` for no value.
            rew_func: Reward of (state, context, action), or a
                :class:`~layeredrl.nets.TransitionReward` of the reached state too.
                ``None`` for no reward.
            encoder: Maps observations to latent state and context: an
                :class:`~layeredrl.nets.Encoder`, or any memoryless module.
            latent_state_dim: Features of the latent state Z.
            context_dim: Features of the context C, which is constant in an episode.
            device: Where everything is put.
            writer: Also gets the numbers of every ``log_interval``-th call of ``learn``.
            log_interval: Calls of ``learn`` between two entries, at least 1.

        Raises:
            ShapeError: If the encoder or the model has other dimensions than stated.
            ConfigurationError: If ``log_interval`` is not positive.
        """
        super().__init__()
        if log_interval < 1:
            raise ConfigurationError(
                f"log_interval must be positive, got {log_interval}"
            )
        self.model = model
        self.val_func = _as_function(val_func)
        self.rew_func = _as_function(rew_func)
        self.encoder = _as_encoder(encoder, latent_state_dim, context_dim)
        self.latent_state_dim = latent_state_dim
        self.context_dim = context_dim
        self.device = torch.device(device)
        self.writer = writer
        self.log_interval = log_interval
        self.generator: torch.Generator | None = None
        self.delta_standardizer: Module = Identity()
        self.register_buffer("n_learn_calls", torch.zeros((), dtype=torch.int64))
        self._check_dimensions()
        self.to(self.device)
        self.eval()

    def encode(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Encode observations, each as the first of an episode.

        Args:
            obs: Mapped observations (..., O), or a dict of such.

        Returns:
            Latent state (..., Z) and context (..., C).
        """
        state, context = self.encoder(obs)
        return state, context

    def predict(self, obs: Tensor, act: Tensor) -> Prediction:
        """Predict the next latent state, reward and termination.

        Args:
            obs: Mapped observations (B, O).
            act: Actions: features (B, A), or indices (B,) for ``Discrete``.

        Returns:
            Means (B, M, N, Z), weights (B, M, N) and standard deviations (B, M, N, Z)
            of the mixtures, expected reward (B,), termination probability (B,).
        """
        state, context = self.encode(obs)
        act = self.model.encode_actions(act)
        mixture = self.model.predict(state, context, act)
        reward = self._one_step_reward(state, context, act)
        term_prob = mixture.term_prob.mean(1)
        return Prediction(mixture.mean, mixture.weights, mixture.std, reward, term_prob)

    def predict_reward(self, obs: Tensor, act: Tensor) -> Tensor:
        """Predict the reward of one step.

        Args:
            obs: Mapped observations (B, O).
            act: Actions: features (B, A), or indices (B,) for ``Discrete``.

        Returns:
            Expected rewards (B,).
        """
        state, context = self.encode(obs)
        return self._one_step_reward(state, context, self.model.encode_actions(act))

    def value(self, obs: Tensor, act: Tensor) -> Tensor:
        """Predict the value.

        Args:
            obs: Mapped observations (B, O).
            act: Actions: features (B, A), or indices (B,); a state value ignores them.

        Returns:
            Values (B,); 0 without a value function.
        """
        state, context = self.encode(obs)
        return self.latent_value(state, context, self.model.encode_actions(act))

    def latent_value(self, state: Tensor, context: Tensor, action: Tensor) -> Tensor:
        """Predict the value of latent states.

        Args:
            state: Latent states (..., Z).
            context: Contexts (..., C).
            action: Action features (..., A).

        Returns:
            Values (...); 0 without a value function.
        """
        if self.val_func is None:
            return state.new_zeros(state.shape[:-1])
        value: Tensor = self.val_func(state, context, action)
        return value

    def get_standardized_log_prob(
        self,
        state: Tensor,
        context: Tensor,
        action: Tensor,
        next_state: Tensor,
        fixed_std: Tensor,
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Log density of the standardised change of the state, with a given spread.

        Args:
            state: Latent states (B, Z).
            context: Contexts (B, C).
            action: Actions: features (B, A), or indices (B,) for ``Discrete``.
            next_state: Next latent states (B, Z).
            fixed_std: Standard deviation of every mode in the standardised space,
                positive, 0-dim or (Z,).

        Returns:
            Log densities in nats (B,) under the mixture of all members' modes whose
            means are standardised too; termination probabilities (B,); and a dict with
            the standardised change ``delta (B, Z)``, the standardised ``means
            (B, M*N, Z)`` and the ``weights (B, M*N)``.
        """
        means, weights, term_prob = self.predict_standardized(state, context, action)
        delta = self.delta_standardizer(next_state - state)
        log_std = torch.as_tensor(
            fixed_std, dtype=delta.dtype, device=delta.device
        ).log()
        log_prob = mixture_log_prob(
            delta, means, log_std.expand(delta.shape[-1]), log_weights(weights)
        )
        info = {"delta": delta, "means": means, "weights": weights}
        return log_prob, term_prob, info

    def predict_standardized(
        self, state: Tensor, context: Tensor, action: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predict the mixture of all members' modes for the standardised change.

        Args:
            state: Latent states (B, Z).
            context: Contexts (B, C).
            action: Actions: features (B, A), or indices (B,) for ``Discrete``.

        Returns:
            Standardised means (B, M*N, Z), weights (B, M*N), and termination
            probabilities (B,).
        """
        prediction = self.model.predict(state, context, action)
        means = self.delta_standardizer(prediction.mean - state[:, None, None])
        weights = prediction.weights.flatten(1) / self.model.n_models
        return means.flatten(1, 2), weights, prediction.term_prob.mean(1)

    def rollout(
        self, obs: Tensor, act: Tensor, deterministic: bool = False
    ) -> tuple[Batch, Tensor]:
        """Imagine what a sequence of actions leads to.

        Args:
            obs: Mapped observations at the start (B, O).
            act: Actions: features (B, T, A), or indices (B, T) for ``Discrete``.
            deterministic: Follow mixture means instead of drawing.

        Returns:
            The trajectories, a batch with ``state (B, M, P, T+1, Z)``,
            ``rew (B, M, P, T)``, ``term_prob (B, M, P, T)``, and over members and
            particles ``state_mean``, ``state_var``, ``state_epistemic_var`` (variance
            between members of their particles' means) and ``state_aleatoric_var`` (mean
            over members of the variance of their particles), each (B, T+1, Z); and the
            contexts (B, C).
        """
        state, context = self.encode(obs)
        rollout = self.rollout_latent(state, context, act, deterministic)
        states = rollout.state
        member_mean = states.mean(2)
        statistics = {
            "state_mean": member_mean.mean(1),
            "state_var": states.var((1, 2), unbiased=False),
            "state_epistemic_var": member_mean.var(1, unbiased=False),
            "state_aleatoric_var": states.var(2, unbiased=False).mean(1),
        }
        return Batch({**rollout._asdict(), **statistics}), context

    def rollout_latent(
        self,
        state: Tensor,
        context: Tensor,
        act: Tensor,
        deterministic: bool = False,
    ) -> RewardedRollout:
        """Imagine in latent space; what planners call.

        Args:
            state: Latent states at the start (B, Z).
            context: Contexts (B, C).
            act: Actions: features (B, T, A), or indices (B, T) for ``Discrete``.
            deterministic: Follow mixture means instead of drawing.

        Returns:
            States, termination probabilities and rewards.
        """
        act = self.model.encode_actions(act)
        if act.dim() != 3 or len(act) != len(state) or act.shape[1] < 1:
            raise ShapeError(
                f"a rollout of {len(state)} states needs actions of shape "
                f"({len(state)}, T, {self.model.action_dim}) with T of at least 1, got "
                f"{tuple(act.shape)}"
            )
        rows = self._rows_per_block(deterministic, len(state))
        blocks = [
            self._rollout_block(*block, deterministic)
            for block in zip(
                state.split(rows), context.split(rows), act.split(rows), strict=True
            )
        ]
        if len(blocks) == 1:
            return blocks[0]
        # Particles that coincide are views of one; they stay so.
        n_particles = blocks[0].state.shape[2]
        joined = (
            torch.cat([distinct_particles(x) for x in field])
            for field in zip(*blocks, strict=True)
        )
        return RewardedRollout(
            *(x.expand(-1, -1, n_particles, *x.shape[3:]) for x in joined)
        )

    def _rows_per_block(self, deterministic: bool, n_rows: int) -> int:
        """Rows that are imagined together: all of them, but on a CPU as fit its cache."""
        if self.device.type != "cpu":
            return n_rows
        particles = 1 if deterministic else self.model.n_particles
        return max(1, CACHED_ROWS // (self.model.n_models * particles))

    def _rollout_block(
        self, state: Tensor, context: Tensor, act: Tensor, deterministic: bool
    ) -> RewardedRollout:
        rollout = self.model.rollout(state, context, act, deterministic, self.generator)
        return RewardedRollout(
            *rollout, rollout_rewards(self._reward, rollout, context, act)
        )

    @staticmethod
    def sample_partial_trajectories(
        buffer: ReplayBuffer,
        batch_size: int,
        n_steps: int,
        device: torch.device = torch.device("cpu"),
    ) -> tuple[np.ndarray, Tensor, Tensor]:
        """Sample stretches of episodes, starting at uniformly drawn transitions.

        Args:
            buffer: Where to sample from: a plain or vector replay buffer.
            batch_size: Number of stretches B.
            n_steps: Their length T; beyond an episode's end, or the newest stored
                transition of an unfinished one, the last index is repeated.
            device: Where the tensors go.

        Returns:
            Buffer indices (T, B), numbers of valid steps (B,), and the validity mask
            (B, T), 1.0 for valid steps and 0.0 beyond.

        Raises:
            EmptyBufferError: If the buffer is empty.
            ConfigurationError: If a size is not positive.
        """
        indices, valid = draw_partial_trajectories(buffer, batch_size, n_steps)
        traj_len = torch.from_numpy(valid).to(device)
        steps = torch.arange(n_steps, device=device)
        return indices, traj_len, (steps < traj_len.unsqueeze(1)).float()

    @abstractmethod
    def learn(
        self,
        buffer: ReplayBuffer,
        n_steps: int,
        batch_size: int,
        model_batch_size: int,
        n_total_env_steps: int,
    ) -> tuple[Tensor, dict]:
        """Learn from a replay buffer.

        Args:
            buffer: Where partial trajectories and transitions are sampled.
            n_steps: Number of optimizer steps.
            batch_size: Partial trajectories per step.
            model_batch_size: Single transitions per step, for the model.
            n_total_env_steps: Environment steps taken so far; schedules read it.

        Returns:
            The last loss and a dict with its terms.
        """

    @abstractmethod
    def loss(self, batch: Batch) -> tuple[Tensor, dict]:
        """Compute the loss of a batch; changes nothing.

        Args:
            batch: The batch; its first axis is B, the second time, for example
                ``batch.state (B, T, Z)``.

        Returns:
            The loss and a dict with its terms.
        """

    def training_state(self) -> dict[str, Any]:
        """Copy what only training needs, beyond ``state_dict``.

        Returns:
            Optimizer states and the like; nothing unless a subclass has some.
        """
        return {}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`training_state` returned.

        Args:
            state: The state.
        """
        return None

    def _one_step_reward(self, state: Tensor, context: Tensor, act: Tensor) -> Tensor:
        if not isinstance(self.rew_func, TransitionReward):
            return self._reward(state, context, act, state)
        rollout = self.model.rollout(state, context, act.unsqueeze(1), True)
        rewards = rollout_rewards(self._reward, rollout, context, act.unsqueeze(1))
        return rewards.mean((1, 2)).squeeze(-1)

    def _reward(
        self, state: Tensor, context: Tensor, action: Tensor, next_state: Tensor
    ) -> Tensor:
        if self.rew_func is None:
            return state.new_zeros(state.shape[:-1])
        if isinstance(self.rew_func, TransitionReward):
            reward: Tensor = self.rew_func(state, context, action, next_state)
        else:
            reward = self.rew_func(state, context, action)
        return reward

    def _log(self, metrics: dict[str, Tensor], n_total_env_steps: int) -> None:
        """Write metrics if there is a writer and it is time."""
        if self.writer is None or int(self.n_learn_calls) % self.log_interval:
            return
        for name, value in metrics.items():
            self.writer.add_scalar(f"predictor/{name}", float(value), n_total_env_steps)

    def _check_dimensions(self) -> None:
        stated = (self.latent_state_dim, self.context_dim)
        model = (self.model.state_dim, self.model.context_dim)
        if model != stated:
            raise ShapeError(
                f"latent state and context have {stated} features, the model was built "
                f"for {model}"
            )
        encoder = (self.encoder.latent_state_dim, self.encoder.context_dim)
        if encoder != stated:
            raise ShapeError(
                f"latent state and context have {stated} features, the encoder yields "
                f"{encoder}"
            )


def _as_encoder(
    encoder: Module | Callable, latent_state_dim: int, context_dim: int
) -> Encoder:
    if isinstance(encoder, Encoder):
        return encoder
    return PlainEncoder(encoder, latent_state_dim, context_dim)


def _as_function(function: Module | Callable | None) -> FittedFunction | None:
    if function is None or isinstance(function, FittedFunction):
        return function
    return PlainFunction(function)
