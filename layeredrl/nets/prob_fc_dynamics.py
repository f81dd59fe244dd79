"""A fully connected network that predicts a mixture of Gaussians."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import gin
import torch
from gymnasium import spaces
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError
from layeredrl.nets.member_stack import MemberBatched
from layeredrl.nets.mlp import MLP
from layeredrl.utils.spaces import action_dim


class MixtureParameters(NamedTuple):
    """Raw outputs of a dynamics network; the model turns them into a distribution.

    Attributes:
        mean: Means of the normalised change of the latent state, (..., N, Z).
        logits: Unnormalised log weights of the modes, (..., N).
        raw_std: Unbounded numbers that the model maps to standard deviations,
            (..., N, Z).
        term_logit: Logit of the termination probability, (...).
    """

    mean: Tensor
    logits: Tensor
    raw_std: Tensor
    term_logit: Tensor


@gin.configurable
class ProbFCDynamics(nn.Module, MemberBatched):
    """Maps (state, context, action) to mixture parameters (Bishop 1994).

    One member of an ensemble. Inputs and predicted changes are normalised by the model.
    """

    def __init__(
        self,
        state_space: spaces.Box,
        context_space: spaces.Box,
        action_space: spaces.Space,
        n_modes: int,
        hidden_sizes: Sequence[int] = (128, 128),
        activation: Callable[[], nn.Module] = nn.SiLU,
        n_frequencies: int = 0,
        sees_context: bool = True,
    ):
        """Build the network.

        Args:
            state_space: Space of the latent state, (Z,).
            context_space: Space of the context, (C,).
            action_space: ``Box`` or ``Discrete`` actions.
            n_modes: Number of mixture modes N.
            hidden_sizes: Widths of the hidden layers.
            activation: Makes the activations.
            n_frequencies: Sines and cosines of the normalised state that are seen beside
                it, each of twice the frequency of the one before (Mildenhall et al. 2020,
                equation 4, from 1 rad on): so that what depends on places sharply, as
                walls do, is learned from few data.
            sees_context: Whether what happens may depend on the context.

        Raises:
            ConfigurationError: If ``n_frequencies`` is negative.
        """
        if n_frequencies < 0:
            raise ConfigurationError(
                f"n_frequencies must not be negative, got {n_frequencies}"
            )
        super().__init__()
        self.n_modes = n_modes
        self.state_dim = int(state_space.shape[0])
        self.n_frequencies, self.sees_context = n_frequencies, sees_context
        n_context, n_action = int(context_space.shape[0]), action_dim(action_space)
        self._parts = [self.state_dim, n_context, n_action]
        in_dim = self.state_dim * (1 + 2 * n_frequencies) + n_action
        in_dim += n_context if sees_context else 0
        self._splits = [n_modes * self.state_dim, n_modes, n_modes * self.state_dim, 1]
        self.mlp = MLP(in_dim, hidden_sizes, sum(self._splits), activation)

    def forward(self, x: Tensor) -> MixtureParameters:
        """Predict the mixture.

        Args:
            x: Normalised state, context and action features side by side,
                (..., Z + C + A).

        Returns:
            Mixture parameters (..., N, Z) and so on.
        """
        out = self.mlp(self._features(x))
        mean, logits, raw_std, term_logit = out.split(self._splits, dim=-1)
        modes = (self.n_modes, self.state_dim)
        return MixtureParameters(
            mean.unflatten(-1, modes),
            logits,
            raw_std.unflatten(-1, modes),
            term_logit.squeeze(-1),
        )

    def _features(self, x: Tensor) -> Tensor:
        if self.n_frequencies == 0 and self.sees_context:
            return x
        state, context, action = x.split(self._parts, dim=-1)
        seen = [context] if self.sees_context else []
        return torch.cat([state, self._waves(state), *seen, action], dim=-1)

    def _waves(self, state: Tensor) -> Tensor:
        """Sines and cosines of all frequencies, frequency by frequency."""
        frequencies = 2.0 ** torch.arange(self.n_frequencies, device=state.device)
        phases = (frequencies.unsqueeze(-1) * state.unsqueeze(-2)).unsqueeze(-2)
        return torch.cat([phases.sin(), phases.cos()], dim=-2).flatten(-3)
