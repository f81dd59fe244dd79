"""A causal pre-norm Transformer over time, with a sequence pass and a step pass.

Legend of these pages: B batch, L length (time), D features, H heads, E features per head.
"""

import warnings
from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError
from layeredrl.nets.attention import FlashAttention, SelfAttention, VanillaAttention
from layeredrl.nets.ff import Normalization
from layeredrl.nets.position_embeddings import FixedPosEmb, LearnablePosEmb
from layeredrl.nets.sigma_reparam import SigmaReparam
from layeredrl.nets.tformer_hidden_state import TformerHiddenState
from layeredrl.nets.transformer_config import TransformerConfig
from layeredrl.nets.utils import activation_switch

__all__ = [
    "AttentionLayer",
    "FixedPosEmb",
    "FlashAttention",
    "LearnablePosEmb",
    "SelfAttention",
    "SigmaReparam",
    "TformerHiddenState",
    "Transformer",
    "TransformerConfig",
    "TransformerLayer",
    "VanillaAttention",
]


class AttentionLayer(nn.Module):
    """Projects to queries, keys and values, attends, scales the heads, projects back."""

    def __init__(self, config: TransformerConfig) -> None:
        """Build the projections.

        Args:
            config: Sizes and switches.
        """
        super().__init__()
        self.n_heads, self.head_dim = config.n_heads, config.head_dim
        width = self.n_heads * self.head_dim
        self.head_scaler = nn.Parameter(
            torch.ones(1, 1, self.n_heads, 1), requires_grad=config.head_scaling
        )
        self.qkv_projection = config.linear(config.d_model, 3 * width, bias=False)
        self.out_projection = config.linear(width, config.d_model)
        self.dropout_qkv = nn.Dropout(config.dropout_qkv)
        self.self_attention = config.attention_type(
            causal=True, dropout=config.dropout_attn
        )

    def forward(self, x: Tensor) -> Tensor:
        """Attend within whole sequences.

        Args:
            x: (B, L, D).

        Returns:
            (B, L, D).
        """
        # Feature index of the projection: (3, E, H), heads fastest.  Attention wants E
        # fastest; moving the rows of the weight is cheaper than moving the features.
        projection = self.qkv_projection
        weight = (
            projection.effective_weight()
            if isinstance(projection, SigmaReparam)
            else projection.weight
        )
        weight = weight.view(3, self.head_dim, self.n_heads, -1)
        weight = weight.transpose(1, 2).flatten(0, 2)
        qkv = self.dropout_qkv(F.linear(x, weight))
        qkv = qkv.unflatten(-1, (3, self.n_heads, self.head_dim))
        return self._project_back(self.self_attention(qkv))

    def step(
        self, x: Tensor, memory: TformerHiddenState, layer: int, ages: Tensor
    ) -> Tensor:
        """Attend from one step to the memory, and add the step to it.

        Args:
            x: The step, (B, 1, D).
            memory: Keys and values of the steps before.
            layer: Which layer of the memory is this one's.
            ages: Ages of the memory's slots, (B, S).

        Returns:
            (B, 1, D).
        """
        qkv = self.dropout_qkv(self.qkv_projection(x))
        qkv = qkv.unflatten(-1, (3, self.head_dim, self.n_heads)).transpose(-1, -2)
        query, key, value = qkv.contiguous().unbind(2)  # each (B, 1, H, E)
        memory.write(layer, key[:, 0], value[:, 0])
        keys, values, _ = memory[layer]
        attended = self.self_attention.step(query.to(keys.dtype), keys, values, ages)
        return self._project_back(attended.to(x.dtype))

    def _project_back(self, attended: Tensor) -> Tensor:
        """Scale and merge the heads, (B, L, H, E) to (B, L, D)."""
        return self.out_projection((attended * self.head_scaler).flatten(2))


class TransformerLayer(nn.Module):
    """Attention, then a feed-forward block, each added to the normalised stream."""

    def __init__(self, config: TransformerConfig) -> None:
        """Build the layer.

        Args:
            config: Sizes and switches.
        """
        super().__init__()
        self.attention_layer = AttentionLayer(config)
        self.ff1 = config.linear(config.d_model, config.d_ff)
        self.ff2 = config.linear(config.d_ff, config.d_model)
        self.norm1 = Normalization(config.norm, config.d_model)
        self.norm2 = config.extra_norm(config.d_model)
        self.norm3 = Normalization(config.norm, config.d_model)
        self.norm4 = config.extra_norm(config.d_ff)
        self.dropout_ff = nn.Dropout(config.dropout_ff)
        self.activation = activation_switch(config.activation)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to whole sequences.

        Args:
            x: Residual stream, (B, L, D).

        Returns:
            Residual stream, (B, L, D).
        """
        return self._feed_forward(x, self.attention_layer(self.norm1(x)))

    def step(
        self, x: Tensor, memory: TformerHiddenState, layer: int, ages: Tensor
    ) -> Tensor:
        """Apply the layer to one step.

        Args:
            x: Residual stream, (B, 1, D).
            memory: Keys and values of the steps before.
            layer: Which layer of the memory is this one's.
            ages: Ages of the memory's slots, (B, S).

        Returns:
            Residual stream, (B, 1, D).
        """
        attended = self.attention_layer.step(self.norm1(x), memory, layer, ages)
        return self._feed_forward(x, attended)

    def _feed_forward(self, x: Tensor, attended: Tensor) -> Tensor:
        """Add what was attended to, then what the feed-forward block makes of it."""
        x = x + self.norm2(attended)
        hidden = self.norm4(self.activation(self.ff1(self.norm3(x))))
        return x + self.dropout_ff(self.ff2(hidden))


class Transformer(nn.Module):
    """Embeds input and time, applies the layers, normalises."""

    def __init__(
        self,
        d_inp: int,
        config: TransformerConfig,
        position_embedding: nn.Module,
    ) -> None:
        """Build the layers.

        Args:
            d_inp: Input features.
            config: Sizes and switches.
            position_embedding: Maps times (B, L) to features (B, L, D).

        Raises:
            ConfigurationError: The attention type is no ``SelfAttention``, or there are
                more heads than features.
        """
        super().__init__()
        kind = config.attention_type
        if not (isinstance(kind, type) and issubclass(kind, SelfAttention)):
            raise ConfigurationError(
                f"attention_type is no subclass of SelfAttention: {kind!r}"
            )
        if not 1 <= config.n_heads <= config.d_model:
            raise ConfigurationError(
                f"n_heads must be from 1 to d_model {config.d_model}, got "
                f"{config.n_heads}"
            )
        if config.d_model % config.n_heads:
            warnings.warn(
                f"d_model {config.d_model} is no multiple of n_heads {config.n_heads}: "
                f"heads get {config.head_dim} features",
                stacklevel=2,
            )
        self.inp = nn.Linear(d_inp, config.d_model)
        self.position_embedding = position_embedding
        self.dropout = nn.Dropout(config.dropout_emb)
        self.layers = nn.ModuleList(
            TransformerLayer(config) for _ in range(config.n_layers)
        )
        self.norm = Normalization(config.norm, config.d_model)

    def forward(self, seq: Tensor, time_idxs: Tensor) -> Tensor:
        """Encode whole sequences.

        Args:
            seq: (B, L, d_inp).
            time_idxs: Steps since the episode began, (B, L).

        Returns:
            (B, L, D).
        """
        x = self._embed(seq, time_idxs)
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)

    def step(
        self, seq: Tensor, time_idxs: Tensor, memory: TformerHiddenState
    ) -> Tensor:
        """Encode one step, and add it to the memory.

        Args:
            seq: (B, 1, d_inp).
            time_idxs: Steps since the episode began, (B, 1).
            memory: Keys and values of the steps before; changed in place.

        Returns:
            (B, 1, D).
        """
        x = self._embed(seq, time_idxs)
        ages = memory.ages()
        for i, layer in enumerate(cast(Iterable[TransformerLayer], self.layers)):
            x = layer.step(x, memory, i, ages)
        memory.advance()
        return self.norm(x)

    def _embed(self, seq: Tensor, time_idxs: Tensor) -> Tensor:
        """Give the start of the residual stream, (B, L, D)."""
        position = self.position_embedding(time_idxs).to(self.inp.weight.dtype)
        return self.dropout(self.inp(seq) + position)
