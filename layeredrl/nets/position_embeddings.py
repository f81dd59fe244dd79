"""What tells a Transformer how far an episode has come."""

import math
from typing import Any

import gin
import torch
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError, TimeIndexError


class FixedPosEmb(nn.Module):
    """Sines (even features) and cosines (odd features) of geometric wavelengths.

    Feature pair j turns by ``10000 ** (-2 j / d_model)`` radians per step.
    """

    def __init__(self, d_model: int) -> None:
        """Choose the number of features.

        Args:
            d_model: Number of features, even.

        Raises:
            ConfigurationError: The number of features is odd.
        """
        super().__init__()
        if d_model % 2:
            raise ConfigurationError(
                f"fixed position embeddings need an even d_model, got {d_model}"
            )
        self.d_model = d_model

    def forward(self, time_idxs: Tensor) -> Tensor:
        """Embed times.

        Args:
            time_idxs: Steps since the episode began, (B, L).

        Returns:
            Embeddings, (B, L, d_model) float32, whatever the precision of the weights.
        """
        even = torch.arange(0, self.d_model, 2, device=time_idxs.device)
        angular_speed = torch.exp(even * (-math.log(10000.0) / self.d_model))
        angle = time_idxs.float().unsqueeze(-1) * angular_speed  # (B, L, d_model / 2)
        return torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)


@gin.configurable(module="layeredrl.nets.transformer")
class LearnablePosEmb(nn.Module):
    """A trained table with one row per time.

    The table takes the length of the checkpoint that is loaded into it.
    """

    def __init__(
        self, d_model: int, max_seq_len: int, max_time_idx: int | None = None
    ) -> None:
        """Draw the table.

        Args:
            d_model: Number of features.
            max_seq_len: Number of rows where ``max_time_idx`` is not given.
            max_time_idx: Number of rows: the longest episode [steps].
        """
        super().__init__()
        rows = max_seq_len if max_time_idx is None else max_time_idx
        self.embeddings = nn.Embedding(rows, d_model)

    def forward(self, time_idxs: Tensor) -> Tensor:
        """Look up times.

        Args:
            time_idxs: Steps since the episode began, (B, L).

        Returns:
            Embeddings, (B, L, d_model).

        Raises:
            TimeIndexError: A time has no row; on the CPU and outside of compiled graphs,
                where looking costs nothing.
        """
        time_idxs = time_idxs.long()
        if time_idxs.device.type == "cpu" and not torch.compiler.is_compiling():
            self._check(time_idxs)
        return self.embeddings(time_idxs)

    def _check(self, time_idxs: Tensor) -> None:
        """Refuse times without a row."""
        rows = self.embeddings.num_embeddings
        low, high = (int(bound) for bound in time_idxs.aminmax())
        if low < 0 or high >= rows:
            raise TimeIndexError(
                f"time indices reach from {low} to {high}, but the learned table has rows "
                f"for 0 to {rows - 1}; raise max_time_idx to the longest episode"
            )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any
    ) -> None:
        """Take the length of the table that is loaded."""
        table, weight = (
            state_dict.get(prefix + "embeddings.weight"),
            self.embeddings.weight,
        )
        if table is not None and table.shape[1:] == weight.shape[1:]:
            weight.data = weight.data.new_empty(table.shape)
            self.embeddings.num_embeddings = len(table)
        super()._load_from_state_dict(state_dict, prefix, *args)
