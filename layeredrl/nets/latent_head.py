"""Columns of an observation as they are, and features that are learned."""

import torch
from torch import Tensor, nn

from layeredrl.nets.ff import Normalization


class LatentHead(nn.Module):
    """Puts a latent vector together from two blocks, either of which may be empty.

    Attributes:
        out_dim: Features of the latent vector.
    """

    columns: Tensor

    def __init__(self, columns: Tensor, in_dim: int, n_learned: int, norm: str):
        """Build the learned block.

        Args:
            columns: Columns of the vector part that are taken as they are, (n,) int64.
            in_dim: Features of an embedding.
            n_learned: Features that a linear layer reads off it.
            norm: Normalisation of the learned features (see ``nets.ff.Normalization``).

        Raises:
            ConfigurationError: If the normalisation is unknown.
        """
        super().__init__()
        self.register_buffer("columns", columns, persistent=False)
        # Without features there are no parameters that an optimizer would look after.
        self.learned: nn.Module | None = None
        if n_learned:
            linear = nn.Linear(in_dim, n_learned)
            self.learned = nn.Sequential(linear, Normalization(norm, n_learned))
        self.out_dim = len(columns) + n_learned

    def forward(self, vector: Tensor, embedding: Tensor) -> Tensor:
        """Put the blocks together.

        Args:
            vector: Vector parts of observations (..., O).
            embedding: Their embeddings (..., in_dim).

        Returns:
            Latent vectors (..., out_dim).
        """
        fixed = vector.index_select(-1, self.columns)
        if self.learned is None:
            return fixed
        return torch.cat([fixed, self.learned(embedding)], dim=-1)
