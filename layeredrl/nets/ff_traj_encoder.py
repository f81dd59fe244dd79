"""The trajectory encoder without memory, to compare with."""

from typing import Any

import gin
from torch import Tensor, nn

from layeredrl.nets.ff import FFBlock, Normalization
from layeredrl.nets.traj_encoder import TrajEncoder
from layeredrl.nets.utils import activation_switch


@gin.configurable(module="layeredrl.nets.traj_encoders")
class FFTrajEncoder(TrajEncoder):
    """A Transformer without attention: each step is encoded on its own."""

    def __init__(
        self,
        tstep_dim: int,
        max_seq_len: int,
        d_model: int = 256,
        d_ff: int | None = None,
        n_layers: int = 1,
        dropout: float = 0.0,
        activation: str = "leaky_relu",
        norm: str = "layer",
    ) -> None:
        """Build the residual blocks.

        Args:
            tstep_dim: Features of an encoded time step.
            max_seq_len: Longest sequence that is trained on [steps]; binds nothing here.
            d_model: Features of the residual stream and the output.
            d_ff: Features inside the blocks; ``None`` means four times ``d_model``.
            n_layers: Number of residual blocks.
            dropout: Probability of dropping a feature, also of the output, in [0, 1].
            activation: Name of the activation (see ``nets.utils.activation_switch``).
            norm: Normalisation of the output (see ``nets.ff.Normalization``).
        """
        super().__init__(tstep_dim, max_seq_len)
        d_ff = d_ff or 4 * d_model
        self.traj_emb = nn.Linear(tstep_dim, d_model)
        self.traj_blocks = nn.ModuleList(
            FFBlock(d_model, d_ff, dropout, activation) for _ in range(n_layers)
        )
        self.traj_last = nn.Linear(d_model, d_model)
        self.norm = Normalization(norm, d_model)
        self.dropout = nn.Dropout(dropout)
        self.activation = activation_switch(activation)
        self._emb_dim = d_model

    @property
    def emb_dim(self) -> int:
        """Number of output features."""
        return self._emb_dim

    def forward(
        self,
        seq: Tensor,
        time_idxs: Tensor | None = None,
        hidden_state: Any | None = None,
        log_dict: dict | None = None,
    ) -> tuple[Tensor, Any | None]:
        """Encode each step on its own; the hidden state is handed back as it came."""
        self._check_seq(seq)
        x = self.dropout(self.activation(self.traj_emb(seq)))
        for block in self.traj_blocks:
            x = block(x)
        return self.dropout(self.norm(self.traj_last(x))), hidden_state
