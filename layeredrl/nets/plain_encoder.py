"""Any module as an encoder."""

from collections.abc import Callable

from torch import Tensor

from layeredrl.errors import ShapeError
from layeredrl.nets.encoder import Encoder, TensorObservation


class PlainEncoder(Encoder):
    """Wraps a module or function that maps observations to (state, context)."""

    def __init__(
        self,
        function: Callable[[TensorObservation], tuple[Tensor, Tensor]],
        latent_state_dim: int,
        context_dim: int,
    ):
        """Wrap the function.

        Args:
            function: Maps observations (..., O) to latent state (..., Z) and context
                (..., C); its parameters are registered if it is a module.
            latent_state_dim: Features of the latent state Z.
            context_dim: Features of the context C.
        """
        super().__init__()
        self.function = function
        self.latent_state_dim = latent_state_dim
        self.context_dim = context_dim

    def forward(self, obs: TensorObservation) -> tuple[Tensor, Tensor]:
        """Call the wrapped function, and check what comes back."""
        state, context = self.function(obs)
        got = (state.shape[-1], context.shape[-1])
        expected = (self.latent_state_dim, self.context_dim)
        if got != expected:
            raise ShapeError(
                f"the encoder was said to yield {expected} features of latent state and "
                f"context, it yields {got}"
            )
        return state, context
