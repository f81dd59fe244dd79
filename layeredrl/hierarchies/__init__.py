"""Hierarchies: who is active, and what passes between levels."""

from layeredrl.hierarchies.control_flow import ControlFlow
from layeredrl.hierarchies.hierarchy import Hierarchy

__all__ = ["ControlFlow", "Hierarchy"]
