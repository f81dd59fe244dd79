"""What rewards and values have in common: they are fitted to numbers of some scale."""

from abc import ABC

import torch
from torch import Tensor, nn


class FittedFunction(nn.Module, ABC):
    """A function of latents that returns one number per row and may follow the data.

    Attributes:
        output_scale: The unit in which errors of this function are measured, a positive
            0-dim tensor; learners divide by it.
    """

    output_scale: Tensor

    def __init__(self) -> None:
        """Measure errors in the function's own units."""
        super().__init__()
        self.register_buffer("output_scale", torch.ones(()))

    def observe(self, inputs: tuple[Tensor, ...], target: Tensor) -> None:
        """Update statistics of the data; called once per learning step, before it.

        Args:
            inputs: The arguments of ``forward``, each (R, features).
            target: What the function should return there, (R,).
        """
        return None
