"""An ensemble of networks that predict mixtures of Gaussians."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import gin
import torch
from gymnasium import spaces
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError
from layeredrl.models.linear_maps import random_orthonormal_map
from layeredrl.models.model import Model, draw_from_mixture
from layeredrl.models.unrolling import as_rollout, unroll
from layeredrl.nets import MemberStack, MixtureParameters, ProbFCDynamics
from layeredrl.types import (
    LatentRollout,
    LatentTransitions,
    LossOutput,
    MixturePrediction,
)
from layeredrl.utils.distributions import mixture_log_prob, mixture_mean
from layeredrl.utils.normalization import RunningNormalizer


@gin.configurable
@dataclass(frozen=True)
class EnsembleConfig:
    """Numbers of a :class:`ProbabilisticEnsemble`."""

    n_models: int = 1
    """Members M, at least 1."""
    n_modes: int = 4
    """Mixture modes per member N, at least 1."""
    n_particles_per_model: int = 1
    """Particles per member in stochastic rollouts P, at least 1."""
    normalize_inputs: bool = True
    """Whether states and contexts enter the networks at zero mean and unit scale."""
    normalize_targets: bool = True
    """Whether changes of the state are predicted in units of their root mean square."""
    min_std: float = 1e-2
    """Smallest standard deviation, in the units of the (normalised) change."""
    max_std: float = 2.0
    """Largest standard deviation, in the same units."""
    sb_start_duration: int = 0
    """Environment steps of the symmetry-breaking start; 0 turns it off."""
    sb_gain: float = 1.0
    """Length of the normalised change that an action of length one causes in it."""
    sb_std: float = 0.1
    """Standard deviation of its predictions, in units of the normalised change."""
    term_loss_weight: float = 1.0
    """Weight of the termination's cross-entropy against the log-likelihood."""
    state_noise: float = 0.0
    """Standard deviation of noise on the states that are learned from, in units of the
    (normalised) change; the states that follow stay as they are. So the model learns to lead
    back to where there are data from places beside them, as in walls, which errors of long
    rollouts would else lead further into (Sanchez-Gonzalez et al. 2020, section 3.5)."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        counts = (self.n_models, self.n_modes, self.n_particles_per_model)
        if min(counts) < 1:
            raise ConfigurationError(
                "n_models, n_modes and n_particles_per_model must be at least 1, got "
                f"{counts}"
            )
        if not 0 < self.min_std < self.max_std or self.sb_std <= 0:
            raise ConfigurationError(
                "standard deviations must be positive with min_std < max_std, got "
                f"min_std={self.min_std}, max_std={self.max_std}, sb_std={self.sb_std}"
            )
        if self.sb_start_duration < 0 or self.state_noise < 0:
            raise ConfigurationError(
                "sb_start_duration and state_noise must not be negative, got "
                f"{self.sb_start_duration} and {self.state_noise}"
            )


class ProbabilisticEnsemble(Model):
    """Mixtures of Gaussians for the change of the latent state (Chua et al. 2018).

    All members are one batched computation. During the symmetry-breaking start (Guertler
    & Martius 2025) predictions, never the loss, come from a fixed random linear map of
    the action; from half-time on it is blended linearly into what was learned.
    """

    n_total_env_steps: Tensor
    start_map: Tensor

    def __init__(
        self,
        latent_state_space: spaces.Box,
        context_space: spaces.Box,
        action_space: spaces.Space,
        partial_net: Callable[..., nn.Module] = ProbFCDynamics,
        config: EnsembleConfig = EnsembleConfig(),
        device: torch.device | str = "cpu",
    ):
        """Build the members.

        Args:
            latent_state_space: Space of the latent state, (Z,).
            context_space: Space of the context, (C,).
            action_space: ``Box`` or ``Discrete`` actions.
            partial_net: Called with state, context and action space and the number of
                modes; returns one member's network, which maps normalised inputs
                (R, Z + C + A) to :class:`~layeredrl.nets.MixtureParameters`.
            config: Sizes and switches.
            device: Where to put it.

        Raises:
            ConfigurationError: If there is a symmetry-breaking start and more action
                than state dimensions.
        """
        super().__init__(
            latent_state_space,
            context_space,
            action_space,
            n_models=config.n_models,
            n_modes=config.n_modes,
            n_particles=config.n_particles_per_model,
        )
        self.config = config
        arguments = (latent_state_space, context_space, action_space, config.n_modes)
        self.members = MemberStack(
            [partial_net(*arguments) for _ in range(config.n_models)]
        )
        self.state_normalizer = RunningNormalizer(self.state_dim)
        self.context_normalizer = RunningNormalizer(self.context_dim)
        self.delta_normalizer = RunningNormalizer(self.state_dim, center=False)
        start_map = torch.zeros(self.state_dim, self.action_dim)
        if config.sb_start_duration:
            start_map = random_orthonormal_map(self.action_dim, self.state_dim)
        self.register_buffer("start_map", start_map)
        self.register_buffer("n_total_env_steps", torch.zeros((), dtype=torch.int64))
        self.to(device)

    def learned_share(self) -> float:
        """How much of a prediction is learned.

        Returns:
            0 in the first half of the symmetry-breaking start, 1 after it.
        """
        duration = self.config.sb_start_duration
        if duration == 0:
            return 1.0
        progress = int(self.n_total_env_steps) / duration
        return min(1.0, max(0.0, 2.0 * progress - 1.0))

    def predict(
        self, state: Tensor, context: Tensor, action: Tensor
    ) -> MixturePrediction:
        """Predict the mixture of each member for the next latent state."""
        action = self.encode_actions(action)
        inputs = torch.cat([*self._normalized(state, context), action], dim=-1)
        out = self.members(inputs.expand(self.n_models, -1, -1))
        share = self.learned_share()
        mean = self._blended_mean(out, action, share)
        std = self._blended_std(out, share)
        scale = self.delta_normalizer.std
        return MixturePrediction(
            torch.addcmul(state.unsqueeze(-2), mean, scale).transpose(0, 1),
            out.logits.softmax(-1).transpose(0, 1),
            (std * scale).transpose(0, 1),
            out.term_logit.sigmoid().transpose(0, 1),
        )

    def rollout(
        self,
        state: Tensor,
        context: Tensor,
        actions: Tensor,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> LatentRollout:
        """Imagine trajectories, stepping in normalised coordinates."""
        actions = self.encode_actions(actions)
        state, context = self._normalized(state, context)
        context = context.unsqueeze(1).expand(-1, actions.shape[1], -1)
        # Everything but the state is known for all steps: (T, B, C + A).
        known = torch.cat([context, actions], dim=-1).transpose(0, 1).contiguous()
        n_particles = 1 if deterministic else self.n_particles
        shape = (self.n_models, n_particles, *state.shape)
        ratio = self.delta_normalizer.std
        if self.config.normalize_inputs:
            ratio = ratio / self.state_normalizer.std
        share = self.learned_share()

        def step(x: Tensor, t: int) -> tuple[Tensor, Tensor]:
            inputs = torch.cat([x, known[t].expand(*shape[:-1], -1)], dim=-1)
            out = self.members(inputs.flatten(1, 2))
            mean = self._blended_mean(out, actions[:, t], share)
            if deterministic:
                change = self._expected(out, mean)
            else:
                std = self._blended_std(out, share)
                weights = out.logits.softmax(-1)
                change = draw_from_mixture(mean, weights, std, generator)
            x = torch.addcmul(x, change.view(shape), ratio)
            return x, out.term_logit.view(shape[:-1])

        states, logits = unroll(step, state.expand(shape), actions.shape[1])
        if self.config.normalize_inputs:
            states = self.state_normalizer.denormalize(states)
        return as_rollout(states, logits.sigmoid_(), self.n_particles)

    def loss(self, batch: LatentTransitions) -> LossOutput:
        """Negative log-likelihood of the change plus cross-entropy of termination."""
        action = self.encode_actions(batch.action)
        inputs = torch.cat(
            [*self._normalized(batch.state, batch.context), action], dim=-1
        )
        out = self.members(inputs.expand(self.n_models, -1, -1))
        target = self.delta_normalizer.normalize(batch.next_state - batch.state)
        log_prob = mixture_log_prob(
            target, out.mean, self._log_std(out.raw_std), out.logits.log_softmax(-1)
        )
        term_loss = nn.functional.binary_cross_entropy_with_logits(
            out.term_logit,
            batch.terminated.to(target.dtype).expand_as(out.term_logit),
            reduction="none",
        )
        weight = batch.validity_mask / batch.validity_mask.sum().clamp(min=1.0)
        nll = -(log_prob * weight).sum(-1).mean()
        term = (term_loss * weight).sum(-1).mean()
        metrics = {"nll": nll.detach(), "term_loss": term.detach()}
        return LossOutput(nll + self.config.term_loss_weight * term, metrics)

    def disturbed(self, state: Tensor, generator: torch.Generator | None) -> Tensor:
        """Add noise to states that are to be learned from."""
        if self.config.state_noise == 0.0:
            return state
        noise = torch.randn(
            state.shape, dtype=state.dtype, device=state.device, generator=generator
        )
        scale = self.config.state_noise * self.delta_normalizer.std
        return torch.addcmul(state, noise, scale)

    @torch.no_grad()
    def observe(self, batch: LatentTransitions, n_total_env_steps: int) -> None:
        """Follow the scale of states and changes, and the progress of training."""
        self.n_total_env_steps.fill_(n_total_env_steps)
        self.state_normalizer.update(batch.state)
        self.context_normalizer.update(batch.context)
        if self.config.normalize_targets:
            self.delta_normalizer.update(batch.next_state - batch.state)

    def _normalized(self, state: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        if not self.config.normalize_inputs:
            return state, context
        return (
            self.state_normalizer.normalize(state),
            self.context_normalizer.normalize(context),
        )

    def _expected(self, out: MixtureParameters, mean: Tensor) -> Tensor:
        if self.n_modes == 1:
            return mean.squeeze(-2)
        return mixture_mean(out.logits.softmax(-1), mean)

    def _blended_mean(
        self, out: MixtureParameters, action: Tensor, share: float
    ) -> Tensor:
        """Means of the normalised change (M, R, N, Z), with the symmetry-breaking start."""
        if share == 1.0:
            return out.mean
        start = self.config.sb_gain * action @ self.start_map.mT
        n_particles = out.mean.shape[1] // max(1, len(start))
        start = start.repeat(n_particles, 1).unsqueeze(-2)
        return torch.lerp(start.expand_as(out.mean), out.mean, share)

    def _blended_std(self, out: MixtureParameters, share: float) -> Tensor:
        std = self._log_std(out.raw_std).exp()
        if share == 1.0:
            return std
        return torch.lerp(torch.full_like(std, self.config.sb_std), std, share)

    def _log_std(self, raw_std: Tensor) -> Tensor:
        low, high = math.log(self.config.min_std), math.log(self.config.max_std)
        return low + 0.5 * (high - low) * (raw_std.tanh() + 1.0)
