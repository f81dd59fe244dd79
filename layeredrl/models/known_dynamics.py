"""A user's own function as the model."""

from collections.abc import Callable

import torch
from gymnasium import spaces
from torch import Tensor

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.models.model import Model
from layeredrl.models.unrolling import as_rollout, unroll
from layeredrl.types import (
    LatentRollout,
    LatentTransitions,
    LossOutput,
    MixturePrediction,
)

StateFunction = Callable[[Tensor, Tensor, Tensor], Tensor]


class KnownDynamics(Model):
    """Calls a function (state, context, action) -> next state, all batched.

    For :class:`~layeredrl.predictors.StaticPredictor`: planning with dynamics that are
    known. As a distribution it is one narrow Gaussian.
    """

    def __init__(
        self,
        latent_state_space: spaces.Box,
        context_space: spaces.Box,
        action_space: spaces.Space,
        function: StateFunction,
        term_function: StateFunction | None = None,
        std: float = 1e-3,
        device: torch.device | str = "cpu",
    ):
        """Store the functions.

        Args:
            latent_state_space: Space of the latent state, (Z,).
            context_space: Space of the context, (C,).
            action_space: ``Box`` or ``Discrete`` actions.
            function: Maps states (R, Z), contexts (R, C) and action features (R, A) to
                next states (R, Z).
            term_function: Maps the same to termination probabilities (R,), which may be
                bool; ``None`` where episodes never end.
            std: Standard deviation of the next state, positive; only densities and
                stochastic rollouts see it.
            device: Where to put its buffers; it has none.

        Raises:
            ConfigurationError: If ``std`` is not positive.
        """
        super().__init__(latent_state_space, context_space, action_space)
        if std <= 0:
            raise ConfigurationError(f"std must be positive, got {std}")
        self.function = function
        self.term_function = term_function
        self.std = std

    def predict(
        self, state: Tensor, context: Tensor, action: Tensor
    ) -> MixturePrediction:
        """Predict a single Gaussian."""
        mean, term_prob = self._step(state, context, self.encode_actions(action))
        mean = mean[:, None, None]
        return MixturePrediction(
            mean,
            mean.new_ones(mean.shape[:-1]),
            torch.full_like(mean, self.std),
            term_prob.unsqueeze(1),
        )

    def rollout(
        self,
        state: Tensor,
        context: Tensor,
        actions: Tensor,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> LatentRollout:
        """Apply the function step by step."""
        actions = self.encode_actions(actions)

        def step(x: Tensor, t: int) -> tuple[Tensor, Tensor]:
            nxt, term_prob = self._step(x[0, 0], context, actions[:, t])
            if not deterministic:
                noise = torch.empty_like(nxt).normal_(generator=generator)
                nxt = nxt + self.std * noise
            return nxt[None, None], term_prob[None, None]

        states, term_prob = unroll(step, state[None, None], actions.shape[1])
        return as_rollout(states, term_prob, self.n_particles)

    def loss(self, batch: LatentTransitions) -> LossOutput:
        """Return zero: nothing is learned."""
        return LossOutput(batch.state.new_zeros((), requires_grad=True), {})

    def _step(
        self, state: Tensor, context: Tensor, action: Tensor
    ) -> tuple[Tensor, Tensor]:
        nxt = self.function(state, context, action)
        if nxt.shape != state.shape:
            raise ShapeError(
                f"the dynamics function returned shape {tuple(nxt.shape)} for states of "
                f"shape {tuple(state.shape)}"
            )
        if self.term_function is None:
            return nxt, nxt.new_zeros(nxt.shape[:-1])
        term_prob = self.term_function(state, context, action)
        if term_prob.shape != nxt.shape[:-1]:
            raise ShapeError(
                f"the termination function returned shape {tuple(term_prob.shape)} for "
                f"states of shape {tuple(state.shape)}"
            )
        return nxt, term_prob.to(nxt.dtype)
