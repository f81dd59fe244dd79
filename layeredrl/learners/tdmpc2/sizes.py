"""Sizes of TD-MPC2's networks, by name."""

from dataclasses import dataclass
from typing import Literal

ModelSizeName = Literal["tiny", "small", "medium", "base"]
"""About 0.1, 0.4, 1.3 and 5 million parameters."""


@dataclass(frozen=True)
class ModelSize:
    """Widths of the networks."""

    latent_dim: int
    """Features of a latent state."""
    simplex_dim: int
    """How many of them sum to one. On CPUs it is fast to have 16 such groups or more."""
    encoder_sizes: tuple[int, ...]
    """Hidden layers of the encoder."""
    hidden_sizes: tuple[int, ...]
    """Hidden layers of all other networks."""


MODEL_SIZES: dict[ModelSizeName, ModelSize] = {
    "tiny": ModelSize(64, 4, (64,), (64, 64)),
    "small": ModelSize(128, 8, (128,), (128, 128)),
    "medium": ModelSize(128, 8, (256,), (256, 256)),
    "base": ModelSize(512, 8, (256,), (512, 512)),
}
"""What the names stand for."""
