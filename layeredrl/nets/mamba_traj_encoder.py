"""The state space trajectory encoder."""

from collections.abc import Iterable
from typing import cast

import gin
import numpy as np
import torch
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.nets.ff import Normalization
from layeredrl.nets.mamba import Mamba, MambaHiddenState
from layeredrl.nets.traj_encoder import TrajEncoder, done_rows


class _MambaBlock(nn.Module):
    """A normalisation and the Mamba block that follows it."""

    def __init__(
        self, d_model: int, d_state: int, d_conv: int, expand: int, norm: str
    ) -> None:
        super().__init__()
        self.norm = Normalization(norm, d_model)
        self.mamba = Mamba(d_model, d_state, d_conv, expand)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block; x and the result are (B, L, D)."""
        return x + self.mamba(self.norm(x))

    def step(self, x: Tensor, conv_state: Tensor, ssm_state: Tensor) -> Tensor:
        """Apply the block to one step, (B, D), and change the states in place."""
        return x + self.mamba.step(self.norm(x), conv_state, ssm_state)


@gin.configurable(module="layeredrl.nets.traj_encoders")
class MambaTrajEncoder(TrajEncoder):
    """Mamba blocks (https://arxiv.org/abs/2312.00752), a residual stream between them.

    Runs anywhere in plain torch; on a GPU the kernel of ``mamba_ssm`` is used where that
    package is installed.
    """

    def __init__(
        self,
        tstep_dim: int,
        max_seq_len: int,
        d_model: int = 256,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        n_layers: int = 3,
        norm: str = "layer",
    ) -> None:
        """Build the blocks.

        Args:
            tstep_dim: Features of an encoded time step.
            max_seq_len: Longest sequence that is trained on [steps]; binds nothing here.
            d_model: Features of the residual stream and the output.
            d_state: State features per inner feature.
            d_conv: Width of the convolution over time [steps].
            expand: Inner features per feature of the stream.
            n_layers: Number of blocks.
            norm: Normalisation before each block and of the output (see
                ``nets.ff.Normalization``).
        """
        super().__init__(tstep_dim, max_seq_len)
        self.inp = nn.Linear(tstep_dim, d_model)
        self.mambas = nn.ModuleList(
            _MambaBlock(d_model, d_state, d_conv, expand, norm) for _ in range(n_layers)
        )
        self.out_norm = Normalization(norm, d_model)
        self._emb_dim = d_model

    @property
    def emb_dim(self) -> int:
        """Number of output features."""
        return self._emb_dim

    def forward(
        self,
        seq: Tensor,
        time_idxs: Tensor | None = None,
        hidden_state: MambaHiddenState | None = None,
        log_dict: dict | None = None,
    ) -> tuple[Tensor, MambaHiddenState | None]:
        """Encode whole sequences, or with a hidden state the next step of each row.

        Args:
            seq: Encoded time steps, (B, L, tstep_dim); L is 1 with a hidden state.
            time_idxs: Not used.
            hidden_state: Memory of the steps before; changed in place.
            log_dict: Nothing is logged.

        Returns:
            Features, (B, L, emb_dim), and the hidden state that was given.

        Raises:
            ShapeError: The sequence or the hidden state has another shape.
            ConfigurationError: A hidden state was given in training mode, or it is of
                another kind of encoder.
        """
        self._check_seq(seq)
        if hidden_state is None:
            x = self.inp(seq)
            for block in self.mambas:
                x = block(x)
            return self.out_norm(x), None
        self._check_step(seq, hidden_state)
        x = self.inp(seq[:, 0])
        blocks = cast(Iterable[_MambaBlock], self.mambas)
        states = zip(hidden_state.conv_states, hidden_state.ssm_states, strict=True)
        for block, (conv_state, ssm_state) in zip(blocks, states, strict=True):
            x = block.step(x, conv_state, ssm_state)
        return self.out_norm(x).unsqueeze(1), hidden_state

    def _check_step(self, seq: Tensor, hidden_state: MambaHiddenState) -> None:
        """Refuse steps that the hidden state cannot take."""
        if self.training:
            raise ConfigurationError("a hidden state is for acting: call eval() first")
        self._check_kind(hidden_state)
        states = (*hidden_state.conv_states, *hidden_state.ssm_states)
        shapes = [tuple(state.shape) for state in states]
        expected = self._state_shapes(seq.shape[0])
        if shapes != expected:
            raise ShapeError(f"expected hidden states {expected}, got {shapes}")
        if seq.shape[1] != 1:
            raise ShapeError(
                f"a hidden state takes one step at a time, got a sequence of "
                f"{seq.shape[1]}"
            )

    def _check_kind(self, hidden_state: MambaHiddenState) -> None:
        """Refuse hidden states of other kinds of encoders."""
        if not isinstance(hidden_state, MambaHiddenState):
            raise ConfigurationError(
                f"expected a MambaHiddenState, got {type(hidden_state).__name__}"
            )

    def _state_shapes(self, batch_size: int) -> list[tuple[int, int, int]]:
        """Give the shapes of all blocks' convolution states, then of their SSM states."""
        blocks = [m.mamba for m in cast(Iterable[_MambaBlock], self.mambas)]
        return [
            *((batch_size, block.d_inner, block.d_conv) for block in blocks),
            *((batch_size, block.d_inner, block.d_state) for block in blocks),
        ]

    def init_hidden_state(
        self, batch_size: int, device: torch.device
    ) -> MambaHiddenState:
        """Give a memory of nothing, on the weights' device and in their precision."""
        weight, n = self.inp.weight, len(self.mambas)
        states = [weight.new_zeros(s) for s in self._state_shapes(batch_size)]
        return MambaHiddenState(states[:n], states[n:])

    def reset_hidden_state(
        self, hidden_state: MambaHiddenState | None, dones: np.ndarray
    ) -> MambaHiddenState | None:
        """Forget the episodes that ended, in place.

        Raises:
            ConfigurationError: The hidden state is of another kind of encoder.
        """
        if hidden_state is None:
            return None
        self._check_kind(hidden_state)
        state = hidden_state.ssm_states[0]
        hidden_state.reset(done_rows(dones, len(state), state.device))
        return hidden_state

    def hidden_state_tensors(
        self, hidden_state: MambaHiddenState | None
    ) -> list[tuple[Tensor, int]]:
        """Give the states of all blocks, rows first."""
        if hidden_state is None:
            return []
        states = (*hidden_state.conv_states, *hidden_state.ssm_states)
        return [(state, 0) for state in states]
