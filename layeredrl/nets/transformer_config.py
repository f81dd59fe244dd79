"""Sizes and switches of a Transformer."""

from dataclasses import dataclass

from torch import nn

from layeredrl.nets.attention import SelfAttention
from layeredrl.nets.ff import Normalization
from layeredrl.nets.sigma_reparam import SigmaReparam


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes and switches of a Transformer; ``TformerTrajEncoder`` has the defaults."""

    d_model: int
    """Features of the residual stream."""
    n_heads: int
    """Number of attention heads."""
    d_ff: int
    """Features inside the feed-forward blocks."""
    n_layers: int
    """Number of layers."""
    dropout_ff: float
    """Probability of dropping a feature after a feed-forward block."""
    dropout_emb: float
    """Probability of dropping a feature of the embedded input."""
    dropout_attn: float
    """Probability of dropping an attention weight."""
    dropout_qkv: float
    """Probability of dropping a feature of queries, keys and values."""
    activation: str
    """Name of the activation."""
    norm: str
    """Name of the normalisation."""
    sigma_reparam: bool
    """Whether the linear layers of the layers are :class:`SigmaReparam`."""
    normformer_norms: bool
    """Whether to normalise after attention and inside the feed-forward block too."""
    head_scaling: bool
    """Whether the scale of each head is trained."""
    attention_type: type[SelfAttention]
    """Kind of attention."""

    @property
    def head_dim(self) -> int:
        """Features per head."""
        return self.d_model // self.n_heads

    def linear(
        self, d_in: int, d_out: int, bias: bool = True
    ) -> SigmaReparam | nn.Linear:
        """Build one of the layers' linear layers.

        Args:
            d_in: Input features.
            d_out: Output features.
            bias: Whether to add a bias.

        Returns:
            A ``SigmaReparam`` or ``nn.Linear``.
        """
        kind = SigmaReparam if self.sigma_reparam else nn.Linear
        return kind(d_in, d_out, bias=bias)

    def extra_norm(self, d: int) -> Normalization:
        """Build one of the norms that only ``normformer_norms`` asks for.

        Args:
            d: Number of features.

        Returns:
            The normalisation; without parameters if not asked for.
        """
        return Normalization(self.norm if self.normformer_norms else "none", d)
