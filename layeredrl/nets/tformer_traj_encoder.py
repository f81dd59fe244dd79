"""The Transformer trajectory encoder."""

import gin
import numpy as np
import torch
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.nets.attention import FlashAttention, SelfAttention
from layeredrl.nets.position_embeddings import FixedPosEmb, LearnablePosEmb
from layeredrl.nets.tformer_hidden_state import TformerHiddenState
from layeredrl.nets.traj_encoder import TrajEncoder, done_rows
from layeredrl.nets.transformer import Transformer, TransformerConfig


@gin.configurable(module="layeredrl.nets.traj_encoders")
class TformerTrajEncoder(TrajEncoder):
    """A causal pre-norm Transformer.

    While acting, attention spans the latest ``max_seq_len`` steps.  Keys and values of
    deeper layers were computed with what was visible at their time, so the receptive field
    reaches further back than the window.  A sequence pass has no window; it equals acting
    for sequences of up to ``max_seq_len`` steps.
    """

    def __init__(
        self,
        tstep_dim: int,
        max_seq_len: int,
        d_model: int = 256,
        n_heads: int = 8,
        d_ff: int = 1024,
        n_layers: int = 3,
        dropout_ff: float = 0.05,
        dropout_emb: float = 0.05,
        dropout_attn: float = 0.0,
        dropout_qkv: float = 0.0,
        activation: str = "leaky_relu",
        norm: str = "layer",
        pos_emb: str = "fixed",
        sigma_reparam: bool = True,
        normformer_norms: bool = True,
        head_scaling: bool = True,
        attention_type: type[SelfAttention] = FlashAttention,
        max_time_idx: int | None = None,
    ) -> None:
        """Build the Transformer.

        Args:
            tstep_dim: Features of an encoded time step.
            max_seq_len: Longest sequence that is trained on, and the span of attention
                while acting [steps].
            d_model: Features of the residual stream and the output.
            n_heads: Number of attention heads of ``d_model // n_heads`` features.
            d_ff: Features inside the feed-forward blocks.
            n_layers: Number of layers.
            dropout_ff: Probability of dropping a feature after a feed-forward block.
            dropout_emb: Probability of dropping a feature of the embedded input.
            dropout_attn: Probability of dropping an attention weight.
            dropout_qkv: Probability of dropping a feature of queries, keys and values.
            activation: Name of the activation (see ``nets.utils.activation_switch``).
            norm: Normalisation throughout (see ``nets.ff.Normalization``).
            pos_emb: ``"fixed"`` for sines and cosines, ``"learned"`` (or ``"learnable"``)
                for a trained table.
            sigma_reparam: Reparametrise the layers' weights by their spectral norm
                (https://arxiv.org/abs/2303.06296).
            normformer_norms: Normalise after attention and inside the feed-forward blocks
                too (https://arxiv.org/abs/2110.09456).
            head_scaling: Train a scale per head, as NormFormer does.
            attention_type: Kind of attention: ``transformer.FlashAttention``,
                ``transformer.VanillaAttention`` or one's own.
            max_time_idx: Rows of the trained table, the longest episode [steps]; ``None``
                means ``max_seq_len``, or what gin binds for ``LearnablePosEmb``.

        Raises:
            ConfigurationError: The activation, normalisation, position embedding or
                attention type is unknown, or ``d_model`` is odd with fixed positions.
        """
        super().__init__(tstep_dim, max_seq_len)
        self.config = TransformerConfig(
            d_model=d_model,
            n_heads=n_heads,
            d_ff=d_ff,
            n_layers=n_layers,
            dropout_ff=dropout_ff,
            dropout_emb=dropout_emb,
            dropout_attn=dropout_attn,
            dropout_qkv=dropout_qkv,
            activation=activation,
            norm=norm,
            sigma_reparam=sigma_reparam,
            normformer_norms=normformer_norms,
            head_scaling=head_scaling,
            attention_type=attention_type,
        )
        position = self._position_embedding(pos_emb, max_time_idx)
        self.tformer = Transformer(tstep_dim, self.config, position)

    def _position_embedding(self, pos_emb: str, max_time_idx: int | None) -> nn.Module:
        """Build the position embedding of that name."""
        d_model = self.config.d_model
        if pos_emb == "fixed":
            return FixedPosEmb(d_model)
        if pos_emb not in ("learnable", "learned"):
            raise ConfigurationError(
                f"unknown position embedding {pos_emb!r}; expected fixed or learned"
            )
        if max_time_idx is None:  # leaves gin the word
            return LearnablePosEmb(d_model, self.max_seq_len)
        return LearnablePosEmb(d_model, self.max_seq_len, max_time_idx=max_time_idx)

    @property
    def emb_dim(self) -> int:
        """Number of output features."""
        return self.config.d_model

    def forward(
        self,
        seq: Tensor,
        time_idxs: Tensor,
        hidden_state: TformerHiddenState | None = None,
        log_dict: dict | None = None,
    ) -> tuple[Tensor, TformerHiddenState | None]:
        """Encode whole sequences, or with a hidden state the next step of each row.

        Args:
            seq: Encoded time steps, (B, L, tstep_dim); L is 1 with a hidden state.
            time_idxs: Steps since the episode began, (B, L, 1) integer.
            hidden_state: Memory of the steps before; changed in place.
            log_dict: Nothing is logged.

        Returns:
            Features, (B, L, emb_dim), and the hidden state that was given.

        Raises:
            ShapeError: The sequence, the times or the hidden state have another shape.
            ConfigurationError: A hidden state was given in training mode, or it is of
                another kind of encoder.
            TimeIndexError: A time lies beyond the trained table.
        """
        self._check_seq(seq)
        expected = (*seq.shape[:2], 1)
        if time_idxs is None or tuple(time_idxs.shape) != expected:
            got = None if time_idxs is None else tuple(time_idxs.shape)
            raise ShapeError(f"expected time_idxs of shape {expected}, got {got}")
        if hidden_state is None:
            return self.tformer(seq, time_idxs[..., 0]), None
        self._check_step(seq, hidden_state)
        return self.tformer.step(seq, time_idxs[..., 0], hidden_state), hidden_state

    def _check_step(self, seq: Tensor, hidden_state: TformerHiddenState) -> None:
        """Refuse steps that the hidden state cannot take."""
        if self.training:
            raise ConfigurationError("a hidden state is for acting: call eval() first")
        self._check_kind(hidden_state)
        expected = self._cache_shape(seq.shape[0])
        if tuple(hidden_state.key_cache.shape) != expected:
            raise ShapeError(
                "expected a hidden state (n_layers, B, max_seq_len, heads, head features) "
                f"= {expected}, got {tuple(hidden_state.key_cache.shape)}"
            )
        if seq.shape[1] != 1:
            raise ShapeError(
                f"a hidden state takes one step at a time, got a sequence of "
                f"{seq.shape[1]}"
            )

    def _check_kind(self, hidden_state: TformerHiddenState) -> None:
        """Refuse hidden states of other kinds of encoders."""
        if not isinstance(hidden_state, TformerHiddenState):
            raise ConfigurationError(
                f"expected a TformerHiddenState, got {type(hidden_state).__name__}"
            )

    def _cache_shape(self, batch_size: int) -> tuple[int, int, int, int, int]:
        """Give the shape of the key cache."""
        c = self.config
        return (c.n_layers, batch_size, self.max_seq_len, c.n_heads, c.head_dim)

    def init_hidden_state(
        self, batch_size: int, device: torch.device
    ) -> TformerHiddenState:
        """Give a memory of nothing, in the precision of the weights."""
        return TformerHiddenState(
            *self._cache_shape(batch_size),
            dtype=self.tformer.inp.weight.dtype,
            device=device,
        )

    def reset_hidden_state(
        self, hidden_state: TformerHiddenState | None, dones: np.ndarray
    ) -> TformerHiddenState | None:
        """Forget the episodes that ended, in place.

        Raises:
            ConfigurationError: The hidden state is of another kind of encoder.
        """
        if hidden_state is None:
            return None
        self._check_kind(hidden_state)
        seq_lens = hidden_state.seq_lens
        hidden_state.reset(done_rows(dones, len(seq_lens), seq_lens.device))
        return hidden_state

    def hidden_state_tensors(
        self, hidden_state: TformerHiddenState | None
    ) -> list[tuple[Tensor, int]]:
        """Give the cache, whose rows are its second axis, and where its rows are."""
        if hidden_state is None:
            return []
        return [
            (hidden_state.key_cache, 1),
            (hidden_state.val_cache, 1),
            (hidden_state.seq_lens, 0),
            (hidden_state.next_slot, 0),
        ]
