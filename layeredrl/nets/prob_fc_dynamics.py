"""A fully connected network that predicts a mixture of Gaussians."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import gin
from gymnasium import spaces
from torch import Tensor, nn

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
    ):
        """Build the network.

        Args:
            state_space: Space of the latent state, (Z,).
            context_space: Space of the context, (C,).
            action_space: ``Box`` or ``Discrete`` actions.
            n_modes: Number of mixture modes N.
            hidden_sizes: Widths of the hidden layers.
            activation: Makes the activations.
        """
        super().__init__()
        self.n_modes = n_modes
        self.state_dim = int(state_space.shape[0])
        in_dim = self.state_dim + int(context_space.shape[0]) + action_dim(action_space)
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
        mean, logits, raw_std, term_logit = self.mlp(x).split(self._splits, dim=-1)
        modes = (self.n_modes, self.state_dim)
        return MixtureParameters(
            mean.unflatten(-1, modes),
            logits,
            raw_std.unflatten(-1, modes),
            term_logit.squeeze(-1),
        )
