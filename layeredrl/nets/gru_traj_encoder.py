"""The recurrent trajectory encoder."""

import gin
import numpy as np
import torch
from torch import Tensor, nn

from layeredrl.errors import ShapeError
from layeredrl.nets.ff import Normalization
from layeredrl.nets.traj_encoder import TrajEncoder, done_rows


@gin.configurable(module="layeredrl.nets.traj_encoders")
class GRUTrajEncoder(TrajEncoder):
    """A GRU, a linear layer and a normalisation.

    Sequences of any length go with or without a hidden state, in training too.
    """

    def __init__(
        self,
        tstep_dim: int,
        max_seq_len: int,
        d_hidden: int = 256,
        n_layers: int = 2,
        d_output: int = 256,
        norm: str = "layer",
    ) -> None:
        """Build the GRU.

        Args:
            tstep_dim: Features of an encoded time step.
            max_seq_len: Longest sequence that is trained on [steps]; binds nothing here.
            d_hidden: Features of the hidden state per layer.
            n_layers: Number of GRU layers.
            d_output: Features of the output.
            norm: Normalisation of the output (see ``nets.ff.Normalization``).
        """
        super().__init__(tstep_dim, max_seq_len)
        self.rnn = nn.GRU(tstep_dim, d_hidden, num_layers=n_layers, batch_first=True)
        self.out = nn.Linear(d_hidden, d_output)
        self.out_norm = Normalization(norm, d_output)
        self._emb_dim = d_output

    @property
    def emb_dim(self) -> int:
        """Number of output features."""
        return self._emb_dim

    def forward(
        self,
        seq: Tensor,
        time_idxs: Tensor | None = None,
        hidden_state: Tensor | None = None,
        log_dict: dict | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run along the sequences, from zeros if there is no hidden state.

        Args:
            seq: Encoded time steps, (B, L, tstep_dim).
            time_idxs: Not used.
            hidden_state: Hidden state before the first step, (n_layers, B, d_hidden).
            log_dict: Nothing is logged.

        Returns:
            Features, (B, L, emb_dim), and the hidden state after the last step,
            (n_layers, B, d_hidden), also when none was given.

        Raises:
            ShapeError: The sequence or the hidden state has another shape.
        """
        self._check_seq(seq)
        shape = (self.rnn.num_layers, seq.shape[0], self.rnn.hidden_size)
        if hidden_state is None:
            hidden_state = torch.zeros(shape, dtype=seq.dtype, device=seq.device)
        elif tuple(hidden_state.shape) != shape:
            raise ShapeError(
                f"expected a hidden state {shape}, got {tuple(hidden_state.shape)}"
            )
        # torch.compile breaks the graph at nn.GRU, but not at the operator below it.
        weights: list[Tensor] = [w for layer in self.rnn.all_weights for w in layer]
        states, hidden_state = torch.gru(
            seq,
            hidden_state,
            weights,
            has_biases=True,
            num_layers=self.rnn.num_layers,
            dropout=0.0,
            train=self.training,
            bidirectional=False,
            batch_first=True,
        )
        return self.out_norm(self.out(states)), hidden_state

    def reset_hidden_state(
        self, hidden_state: Tensor | None, dones: np.ndarray
    ) -> Tensor | None:
        """Set the rows of ended episodes to zero, in place."""
        if hidden_state is not None:
            rows = done_rows(dones, hidden_state.shape[1], hidden_state.device)
            hidden_state[:, rows] = 0
        return hidden_state
