"""The contract of all dynamics models."""

from abc import ABC, abstractmethod

import torch
from gymnasium import spaces
from torch import Tensor, nn

from layeredrl.errors import ShapeError, SpaceError
from layeredrl.types import (
    LatentRollout,
    LatentTransitions,
    LossOutput,
    MixturePrediction,
)
from layeredrl.utils.distributions import draw_modes, log_weights, mixture_log_prob
from layeredrl.utils.spaces import action_dim, action_features


class Model(nn.Module, ABC):
    """Predicts the next latent state and whether the episode ends.

    A model is an ensemble of ``n_models`` members (one is legal), each of which predicts
    a mixture of ``n_modes`` Gaussians. In stochastic rollouts every member moves
    ``n_particles`` particles.

    Attributes:
        action_space: The actions it understands, ``Box`` or ``Discrete``.
        state_dim: Features of the latent state Z.
        context_dim: Features of the context C.
        action_dim: Features of an action A.
        n_models: Members M.
        n_modes: Mixture modes per member N.
        n_particles: Particles per member P.
    """

    def __init__(
        self,
        latent_state_space: spaces.Box,
        context_space: spaces.Box,
        action_space: spaces.Space,
        *,
        n_models: int = 1,
        n_modes: int = 1,
        n_particles: int = 1,
    ):
        """Store the sizes.

        Args:
            latent_state_space: Space of the latent state, (Z,).
            context_space: Space of the context, (C,).
            action_space: ``Box`` or ``Discrete`` actions.
            n_models: Members M.
            n_modes: Mixture modes N.
            n_particles: Particles per member P.

        Raises:
            SpaceError: If the latent state has no features, or actions are of a kind
                other than ``Box`` and ``Discrete``.
        """
        super().__init__()
        self.action_space = action_space
        self.state_dim = int(latent_state_space.shape[0])
        self.context_dim = int(context_space.shape[0])
        self.action_dim = action_dim(action_space)
        self.n_models = n_models
        self.n_modes = n_modes
        self.n_particles = n_particles
        if self.state_dim < 1:
            raise SpaceError("a model needs a latent state of at least one feature")

    @abstractmethod
    def predict(
        self, state: Tensor, context: Tensor, action: Tensor
    ) -> MixturePrediction:
        """Predict one step.

        Args:
            state: Latent states (B, Z).
            context: Contexts (B, C).
            action: Actions: features (B, A), or indices (B,) for ``Discrete``.

        Returns:
            The mixture of each member for the *next* latent state.
        """

    @abstractmethod
    def rollout(
        self,
        state: Tensor,
        context: Tensor,
        actions: Tensor,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> LatentRollout:
        """Imagine what a sequence of actions leads to.

        Each member follows its own trajectory (TS-infinity of Chua et al. 2018).

        Args:
            state: Latent states at the start (B, Z).
            context: Contexts (B, C).
            actions: Actions: features (B, T, A), or indices (B, T) for ``Discrete``.
            deterministic: Follow the mixtures' means; all particles of a member then
                coincide and are computed once. Else a mode is drawn, then a Gaussian.
            generator: Source of randomness, on the model's device.

        Returns:
            The trajectories.
        """

    @abstractmethod
    def loss(self, batch: LatentTransitions) -> LossOutput:
        """Measure how badly transitions are predicted; changes nothing.

        Args:
            batch: Transitions.

        Returns:
            The loss, averaged over members and rows, and its parts.
        """

    def disturbed(self, state: Tensor, generator: torch.Generator | None) -> Tensor:
        """Move states a little before the model learns from them.

        Args:
            state: Latent states (B, Z).
            generator: Draws how.

        Returns:
            What the model is to learn from instead, (B, Z); the states as they are unless a
            subclass says otherwise.
        """
        return state

    def observe(self, batch: LatentTransitions, n_total_env_steps: int) -> None:
        """Update statistics of the data; called once per learning step, before it.

        Args:
            batch: Transitions.
            n_total_env_steps: Environment steps taken so far.
        """
        return None

    def learn(
        self,
        batch: LatentTransitions,
        optimizer: torch.optim.Optimizer,
        n_total_env_steps: int,
    ) -> LossOutput:
        """Take one optimizer step, for use without a predictor.

        Args:
            batch: Transitions.
            optimizer: Holds this model's parameters.
            n_total_env_steps: Environment steps taken so far.

        Returns:
            The loss before the step.
        """
        self.observe(batch, n_total_env_steps)
        output = self.loss(batch)
        optimizer.zero_grad(set_to_none=True)
        output.loss.backward()
        optimizer.step()
        return output

    def sample(
        self,
        state: Tensor,
        context: Tensor,
        action: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw next latent states.

        Args:
            state: Latent states (B, Z).
            context: Contexts (B, C).
            action: Actions (B, A), or indices (B,).
            generator: Source of randomness, on the model's device.

        Returns:
            Next latent states, (B, M, P, Z).
        """
        actions = self.encode_actions(action).unsqueeze(1)
        rollout = self.rollout(state, context, actions, generator=generator)
        return rollout.state[..., 1, :]

    def get_log_prob(
        self, state: Tensor, context: Tensor, action: Tensor, next_state: Tensor
    ) -> Tensor:
        """Log density of next latent states under each member.

        Args:
            state: Latent states (B, Z).
            context: Contexts (B, C).
            action: Actions (B, A), or indices (B,).
            next_state: Next latent states (B, Z).

        Returns:
            Log densities in nats (B, M).
        """
        prediction = self.predict(state, context, action)
        return mixture_log_prob(
            next_state.unsqueeze(1),
            prediction.mean,
            prediction.std.log(),
            log_weights(prediction.weights),
        )

    def get_prob(
        self, state: Tensor, context: Tensor, action: Tensor, next_state: Tensor
    ) -> Tensor:
        """Density of next latent states under each member.

        Args:
            state: Latent states (B, Z).
            context: Contexts (B, C).
            action: Actions (B, A), or indices (B,).
            next_state: Next latent states (B, Z).

        Returns:
            Densities (B, M).
        """
        return self.get_log_prob(state, context, action, next_state).exp()

    def encode_actions(self, actions: Tensor) -> Tensor:
        """Turn actions into features.

        Args:
            actions: Features (..., A), or indices (...) for ``Discrete``.

        Returns:
            Features (..., A).

        Raises:
            ShapeError: If the feature axis has another size.
        """
        features = action_features(self.action_space, actions)
        if features.shape[-1] != self.action_dim:
            raise ShapeError(
                f"actions have {features.shape[-1]} features, the model was built for "
                f"{self.action_dim} ({self.action_space})"
            )
        return features


def draw_from_mixture(
    mean: Tensor, weights: Tensor, std: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Draw a mode, then from its Gaussian.

    Args:
        mean: Means (..., N, Z).
        weights: Weights (..., N).
        std: Standard deviations (..., N, Z).
        generator: Source of randomness on their device.

    Returns:
        Samples (..., Z).
    """
    index = draw_modes(weights, generator)[..., None, None]
    index = index.expand(*weights.shape[:-1], 1, mean.shape[-1])
    mean, std = (x.gather(-2, index).squeeze(-2) for x in (mean, std))
    noise = torch.empty_like(mean).normal_(generator=generator)
    return torch.addcmul(mean, std, noise)
