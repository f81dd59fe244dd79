"""Functions of latent state, context and action: rewards and values."""

from abc import abstractmethod
from collections.abc import Callable

from torch import Tensor

from layeredrl.errors import ShapeError
from layeredrl.nets.fitted_function import FittedFunction


class LatentFunction(FittedFunction):
    """Maps (state, context, action) to one number per row."""

    @abstractmethod
    def forward(self, state: Tensor, context: Tensor, action: Tensor) -> Tensor:
        """Evaluate the function.

        Args:
            state: Latent states (..., Z).
            context: Contexts (..., C).
            action: Action features (..., A).

        Returns:
            Numbers (...).
        """


class PlainFunction(LatentFunction):
    """Any callable or module with the right arguments."""

    def __init__(self, function: Callable[[Tensor, Tensor, Tensor], Tensor]):
        """Wrap the function.

        Args:
            function: Called with state, context and action; its parameters are
                registered if it is a module.
        """
        super().__init__()
        self.function = function

    def forward(self, state: Tensor, context: Tensor, action: Tensor) -> Tensor:
        """Call the wrapped function, and check what comes back."""
        numbers = self.function(state, context, action)
        if numbers.shape != state.shape[:-1]:
            raise ShapeError(
                f"a function of latents must return one number per row, "
                f"{tuple(state.shape[:-1])}, got {tuple(numbers.shape)}"
            )
        return numbers
