"""Rewards that depend on the state that was reached."""

from abc import abstractmethod

from torch import Tensor

from layeredrl.nets.fitted_function import FittedFunction


class TransitionReward(FittedFunction):
    """Maps (state, context, action, next state) to a reward.

    Goal environments pay for the state that is *reached*, so a predictor calls such a
    reward with the predicted next state too.
    """

    @abstractmethod
    def forward(
        self, state: Tensor, context: Tensor, action: Tensor, next_state: Tensor
    ) -> Tensor:
        """Evaluate the reward.

        Args:
            state: Latent states before the step (..., Z).
            context: Contexts (..., C).
            action: Action features (..., A).
            next_state: Latent states after the step (..., Z).

        Returns:
            Rewards (...).
        """
