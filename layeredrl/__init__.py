"""Model-based, layered reinforcement learning."""

from layeredrl.version import __version__

__all__ = ["__version__"]
