"""The recurrent trajectory encoder."""

from collections.abc import Callable
from typing import Self

import gin
import numpy as np
import torch
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.nets.ff import Normalization
from layeredrl.nets.traj_encoder import TrajEncoder, done_rows


class _GRULayers(nn.Module):
    """The layers of ``nn.GRU``, under the same names and with the same initial weights.

    torch.compile refuses ``nn.GRU`` itself, but not the operator below it.
    """

    def __init__(self, d_inp: int, d_hidden: int, n_layers: int) -> None:
        super().__init__()
        self.sizes = (d_inp, d_hidden, n_layers)
        gru = nn.GRU(d_inp, d_hidden, n_layers, batch_first=True)
        for name, parameter in gru.named_parameters():
            self.register_parameter(name, parameter)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Run along the sequences, (B, L, d_inp), from a state (n_layers, B, d_hidden)."""
        weights: list[Tensor] = list(self.parameters())
        return torch.gru(
            x,
            h,
            weights,
            has_biases=True,
            num_layers=self.sizes[2],
            dropout=0.0,
            train=self.training,
            bidirectional=False,
            batch_first=True,
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move the weights, and lay them out in one piece, as CUDA wants them."""
        super()._apply(fn, recurse)
        with torch.device("meta"):
            gru = nn.GRU(*self.sizes, batch_first=True)
        for name, parameter in self.named_parameters():
            setattr(gru, name, parameter)
        gru.flatten_parameters()
        return self


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
        self.rnn = _GRULayers(tstep_dim, d_hidden, n_layers)
        self.d_hidden, self.n_layers = d_hidden, n_layers
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
            ConfigurationError: The hidden state is of another kind of encoder.
        """
        self._check_seq(seq)
        shape = (self.n_layers, seq.shape[0], self.d_hidden)
        if hidden_state is None:
            hidden_state = torch.zeros(shape, dtype=seq.dtype, device=seq.device)
        elif not isinstance(hidden_state, Tensor):
            raise ConfigurationError(
                f"expected a tensor as hidden state, got {type(hidden_state).__name__}"
            )
        elif tuple(hidden_state.shape) != shape:
            raise ShapeError(
                f"expected a hidden state {shape}, got {tuple(hidden_state.shape)}"
            )
        states, hidden_state = self.rnn(seq, hidden_state)
        return self.out_norm(self.out(states)), hidden_state

    def reset_hidden_state(
        self, hidden_state: Tensor | None, dones: np.ndarray
    ) -> Tensor | None:
        """Set the rows of ended episodes to zero, in place."""
        if hidden_state is not None:
            rows = done_rows(dones, hidden_state.shape[1], hidden_state.device)
            hidden_state[:, rows] = 0
        return hidden_state

    def hidden_state_tensors(
        self, hidden_state: Tensor | None
    ) -> list[tuple[Tensor, int]]:
        """Give the hidden state, whose rows are its second axis."""
        return [] if hidden_state is None else [(hidden_state, 1)]
