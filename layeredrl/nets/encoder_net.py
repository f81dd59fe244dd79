"""A learned encoder that keeps apart what changes within an episode and what does not."""

from collections.abc import Callable, Sequence

import gin
import torch
from torch import Tensor, nn

from layeredrl.nets.encoder import Encoder, TensorObservation
from layeredrl.nets.identity_encoder import flat_dim
from layeredrl.nets.mlp import MLP
from layeredrl.utils.normalization import RunningNormalizer


@gin.configurable
class EncoderNet(Encoder):
    """Two networks: one for the latent state, one for the context.

    Which observation features change within episodes is read off the data: a feature
    that was ever seen to change feeds the latent state, all others feed the context.
    So the context is constant within an episode by construction, and the latent state
    is not burdened with what never changes. Before any data all features feed both.
    """

    changes: Tensor
    has_data: Tensor

    def __init__(
        self,
        mapped_env_obs_shape: tuple[int, ...] | dict[str, tuple[int, ...]],
        latent_state_dim: int,
        context_dim: int,
        hidden_sizes: Sequence[int] = (128,),
        activation: Callable[[], nn.Module] = nn.SiLU,
        device: torch.device | str = "cpu",
    ):
        """Build the networks.

        Args:
            mapped_env_obs_shape: Shape of the mapped observation, (O,).
            latent_state_dim: Features of the latent state Z, positive.
            context_dim: Features of the context C; 0 for none.
            hidden_sizes: Widths of the hidden layers of both networks.
            activation: Makes the activations.
            device: Where to put them.

        Raises:
            SpaceError: If the observation is not a flat vector.
            ConfigurationError: If a size is not positive.
        """
        super().__init__()
        dim = flat_dim(mapped_env_obs_shape, "EncoderNet")
        self.latent_state_dim = latent_state_dim
        self.context_dim = context_dim
        self.normalizer = RunningNormalizer(dim)
        self.state_net = MLP(dim, hidden_sizes, latent_state_dim, activation)
        self.context_net = (
            MLP(dim, hidden_sizes, context_dim, activation)
            if context_dim
            else _Nothing()
        )
        self.register_buffer("changes", torch.zeros(dim, dtype=torch.bool))
        self.register_buffer("has_data", torch.zeros((), dtype=torch.bool))
        self.to(device)

    def forward(self, obs: TensorObservation) -> tuple[Tensor, Tensor]:
        """Encode with both networks."""
        assert isinstance(obs, Tensor)
        features = self.normalizer.normalize(obs)
        for_state = features * (self.changes | ~self.has_data)
        for_context = features * ~self.changes
        return self.state_net(for_state), self.context_net(for_context)

    @torch.no_grad()
    def observe(self, obs: TensorObservation, next_obs: TensorObservation) -> None:
        """Find out which features change, and follow their scale."""
        assert isinstance(obs, Tensor) and isinstance(next_obs, Tensor)
        self.changes |= (obs != next_obs).flatten(0, -2).any(0)
        self.has_data.fill_(True)
        self.normalizer.update(obs)


class _Nothing(nn.Module):
    """The context of no features."""

    def forward(self, x: Tensor) -> Tensor:
        return x[..., :0]
