"""The whole observation is the latent state."""

import torch
from torch import Tensor

from layeredrl.errors import SpaceError
from layeredrl.nets.encoder import Encoder, TensorObservation


class IdentityEncoder(Encoder):
    """Latent state = observation, no context."""

    def __init__(
        self,
        mapped_env_obs_shape: tuple[int, ...] | dict[str, tuple[int, ...]],
        device: torch.device | str = "cpu",
    ):
        """Take over the observation's size.

        Args:
            mapped_env_obs_shape: Shape of the mapped observation, (O,).
            device: Accepted for the factory's sake; there is nothing to place.

        Raises:
            SpaceError: If the observation is not a flat vector.
        """
        super().__init__()
        self.latent_state_dim = flat_dim(mapped_env_obs_shape, "IdentityEncoder")
        self.context_dim = 0

    def forward(self, obs: TensorObservation) -> tuple[Tensor, Tensor]:
        """Return the observation and an empty context."""
        assert isinstance(obs, Tensor)
        return obs, obs[..., :0]


def flat_dim(
    shape: tuple[int, ...] | dict[str, tuple[int, ...]], encoder_name: str
) -> int:
    """Read the size of a flat observation.

    Args:
        shape: Shape of the mapped observation.
        encoder_name: Who asks, for the message.

    Returns:
        Number of features O.

    Raises:
        SpaceError: If the shape is a dict (images stay apart) or not of rank one.
    """
    if isinstance(shape, dict) or len(shape) != 1:
        raise SpaceError(
            f"{encoder_name} takes flat observations of shape (O,), got {shape}; map "
            "images away or use an encoder for them"
        )
    return int(shape[0])
