"""Self-attention, for whole sequences and for one step against a cache.

Legend of these pages: B batch, L length (time), S cache slots, H heads, E features per head.
"""

import math
from abc import ABC, abstractmethod

import gin
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError


class SelfAttention(nn.Module, ABC):
    """Base of the attention types that ``TformerTrajEncoder`` takes.

    A type is called as ``attention_type(causal=..., dropout=...)`` and implements the same
    function twice: over a whole sequence, and for one more step of it.
    """

    def __init__(self, causal: bool = True, dropout: float = 0.0) -> None:
        """Choose who attends to whom.

        Args:
            causal: Each step attends only to itself and earlier steps.
            dropout: Probability of dropping an attention weight in training, in [0, 1].

        Raises:
            ConfigurationError: ``dropout`` is no probability.
        """
        super().__init__()
        if not 0 <= dropout <= 1:
            raise ConfigurationError(f"dropout must be in [0, 1], got {dropout}")
        self.causal = causal
        self.dropout = dropout

    @abstractmethod
    def forward(self, qkv: Tensor) -> Tensor:
        """Attend within whole sequences.

        Args:
            qkv: Queries, keys and values, (B, L, 3, H, E).

        Returns:
            Attended values, (B, L, H, E).
        """

    @abstractmethod
    def step(self, query: Tensor, keys: Tensor, values: Tensor, ages: Tensor) -> Tensor:
        """Attend from the current step to what a cache holds.

        The current step is in the cache already.  Slots are in no particular order.

        Args:
            query: Query of the current step, (B, 1, H, E).
            keys: Cached keys, (B, S, H, E).
            values: Cached values, (B, S, H, E).
            ages: How many steps ago a slot was written, 0 for the current step and -1 for a
                slot that holds nothing, (B, S).

        Returns:
            Attended values, (B, 1, H, E).
        """


@gin.configurable(module="layeredrl.nets.transformer")
class VanillaAttention(SelfAttention):
    """Attention written out: every score is a number in memory."""

    def forward(self, qkv: Tensor) -> Tensor:
        """Attend within whole sequences, (B, L, 3, H, E) to (B, L, H, E)."""
        query, key, value = qkv.unbind(2)
        hidden = None
        if self.causal:
            steps = torch.arange(qkv.shape[1], device=qkv.device)
            hidden = steps > steps.unsqueeze(-1)  # (query, key)
        return self._attend(query, key, value, hidden)

    def step(self, query: Tensor, keys: Tensor, values: Tensor, ages: Tensor) -> Tensor:
        """Attend from the current step to the filled slots."""
        return self._attend(query, keys, values, (ages < 0)[:, None, None])

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None
    ) -> Tensor:
        """Attend to all keys that are not hidden; ``hidden`` broadcasts to (B, H, L, S)."""
        scores = torch.einsum("blhe,bshe->bhls", query, key)
        scores = scores / math.sqrt(query.shape[-1])
        if hidden is not None:
            scores = scores.masked_fill(hidden, -torch.inf)
        weights = F.dropout(scores.softmax(-1), self.dropout, self.training)
        return torch.einsum("bhls,bshe->blhe", weights.to(value.dtype), value)


@gin.configurable(module="layeredrl.nets.transformer")
class FlashAttention(SelfAttention):
    """Attention that never holds all scores at once.

    Runs on any device through ``torch.nn.functional.scaled_dot_product_attention``, in the
    precision of its inputs.
    """

    def __init__(
        self,
        causal: bool = True,
        dropout: float = 0.0,
        window_size: tuple[int, int] = (-1, -1),
    ) -> None:
        """Choose who attends to whom.

        Args:
            causal: Each step attends only to itself and earlier steps.
            dropout: Probability of dropping an attention weight in training, in [0, 1].
            window_size: How far each step sees back and ahead [steps]; -1 is without
                limit.
        """
        super().__init__(causal, dropout)
        self.window_size = tuple(window_size)

    def forward(self, qkv: Tensor) -> Tensor:
        """Attend within whole sequences, (B, L, 3, H, E) to (B, L, H, E)."""
        query, key, value = (part.transpose(1, 2) for part in qkv.unbind(2))
        visible = self._visible(qkv.shape[1], qkv.device)
        out = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=visible,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=self.causal and visible is None,
        )
        return out.transpose(1, 2)

    def step(self, query: Tensor, keys: Tensor, values: Tensor, ages: Tensor) -> Tensor:
        """Attend from the current step to the filled slots within the window."""
        visible = ages >= 0
        if self.window_size[0] >= 0:
            visible = visible & (ages <= self.window_size[0])
        out = F.scaled_dot_product_attention(
            query.transpose(1, 2),
            keys.transpose(1, 2),
            values.transpose(1, 2),
            attn_mask=visible[:, None, None],
        )
        return out.transpose(1, 2)

    def _visible(self, length: int, device: torch.device) -> Tensor | None:
        """Say which key each query sees, (L, L); ``None`` without a window."""
        back, ahead = self.window_size
        if self.causal:
            ahead = 0
            if back < 0:
                return None
        elif back < 0 and ahead < 0:
            return None
        steps = torch.arange(length, device=device)
        age = steps.unsqueeze(-1) - steps  # (query, key)
        visible = torch.ones_like(age, dtype=torch.bool)
        if back >= 0:
            visible &= age <= back
        if ahead >= 0:
            visible &= age >= -ahead
        return visible
