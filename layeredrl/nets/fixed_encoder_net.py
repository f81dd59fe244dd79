"""Latent state and context are columns of the observation, chosen by hand."""

from collections.abc import Sequence

import torch
from torch import Tensor

from layeredrl.errors import SpaceError
from layeredrl.nets.encoder import Encoder, TensorObservation
from layeredrl.nets.identity_encoder import flat_dim


class FixedEncoderNet(Encoder):
    """Selects columns; has no parameters."""

    state_columns: Tensor
    context_columns: Tensor

    def __init__(
        self,
        mapped_env_obs_shape: tuple[int, ...] | dict[str, tuple[int, ...]],
        latent_state_dims: Sequence[int],
        context_dims: Sequence[int],
        device: torch.device | str = "cpu",
    ):
        """Store the columns.

        Args:
            mapped_env_obs_shape: Shape of the mapped observation, (O,).
            latent_state_dims: Columns that make up the latent state, at least one.
            context_dims: Columns that make up the context.
            device: Where observations will be.

        Raises:
            SpaceError: If the observation is not flat, a column does not exist, or the
                latent state would be empty.
        """
        super().__init__()
        dim = flat_dim(mapped_env_obs_shape, "FixedEncoderNet")
        wrong = [i for i in (*latent_state_dims, *context_dims) if not 0 <= i < dim]
        if wrong or len(latent_state_dims) == 0:
            raise SpaceError(
                f"the latent state needs columns of an observation of {dim} features, "
                f"got latent_state_dims={list(latent_state_dims)} and "
                f"context_dims={list(context_dims)}"
            )
        self.latent_state_dim = len(latent_state_dims)
        self.context_dim = len(context_dims)
        for name, columns in (
            ("state_columns", latent_state_dims),
            ("context_columns", context_dims),
        ):
            index = torch.tensor(list(columns), dtype=torch.int64, device=device)
            self.register_buffer(name, index, persistent=False)

    def forward(self, obs: TensorObservation) -> tuple[Tensor, Tensor]:
        """Select the columns."""
        assert isinstance(obs, Tensor)
        return (
            obs.index_select(-1, self.state_columns),
            obs.index_select(-1, self.context_columns),
        )
