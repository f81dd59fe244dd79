"""A model that knows nothing: every action means a fixed random direction."""

import torch
from gymnasium import spaces
from torch import Tensor

from layeredrl.errors import ConfigurationError
from layeredrl.models.linear_maps import random_orthonormal_map
from layeredrl.models.model import Model
from layeredrl.models.unrolling import as_rollout, unroll
from layeredrl.types import (
    LatentRollout,
    LatentTransitions,
    LossOutput,
    MixturePrediction,
)


class RandomDynamics(Model):
    """Next state = state + gain * W action, W random with orthonormal columns.

    A baseline, and a fixed target that skills can be trained towards. Never terminates.
    """

    linear_map: Tensor

    def __init__(
        self,
        latent_state_space: spaces.Box,
        context_space: spaces.Box,
        action_space: spaces.Space,
        gain: float = 1.0,
        std: float = 0.1,
        device: torch.device | str = "cpu",
    ):
        """Draw the map.

        Args:
            latent_state_space: Space of the latent state, (Z,).
            context_space: Space of the context, (C,).
            action_space: ``Box`` or ``Discrete`` actions, at most Z features.
            gain: Length of the change that an action of length one causes.
            std: Standard deviation of the next state, positive.
            device: Where to put it.

        Raises:
            ConfigurationError: If ``std`` is not positive or there are more action than
                state dimensions.
        """
        super().__init__(latent_state_space, context_space, action_space)
        if std <= 0:
            raise ConfigurationError(f"std must be positive, got {std}")
        self.gain = gain
        self.std = std
        linear_map = random_orthonormal_map(self.action_dim, self.state_dim)
        self.register_buffer("linear_map", linear_map)
        self.to(device)

    def predict(
        self, state: Tensor, context: Tensor, action: Tensor
    ) -> MixturePrediction:
        """Predict a single Gaussian."""
        mean = self._next(state, self.encode_actions(action))[:, None, None]
        return MixturePrediction(
            mean,
            mean.new_ones(mean.shape[:-1]),
            torch.full_like(mean, self.std),
            mean.new_zeros(mean.shape[:2]),
        )

    def rollout(
        self,
        state: Tensor,
        context: Tensor,
        actions: Tensor,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> LatentRollout:
        """Sum up the directions."""
        actions = self.encode_actions(actions)

        def step(x: Tensor, t: int) -> tuple[Tensor, Tensor]:
            x = self._next(x, actions[:, t])
            if not deterministic:
                x = x + self.std * torch.empty_like(x).normal_(generator=generator)
            return x, x.new_zeros(x.shape[:-1])

        states, term_prob = unroll(step, state[None, None], actions.shape[1])
        return as_rollout(states, term_prob, self.n_particles)

    def loss(self, batch: LatentTransitions) -> LossOutput:
        """Return zero: nothing can be learned."""
        return LossOutput(batch.state.new_zeros((), requires_grad=True), {})

    def _next(self, state: Tensor, action: Tensor) -> Tensor:
        return state + self.gain * action @ self.linear_map.mT
