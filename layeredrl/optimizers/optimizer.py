"""The contract of all sequence optimizers."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

Objective = Callable[[Tensor], Tensor]
"""Maps candidate sequences (B, K, T, A) to values (B, K) that are to be maximised."""


class Solution(NamedTuple):
    """What an optimizer found, for all instances at once.

    Attributes:
        mean: Mean of the final sampling distribution, or the best sequence where nothing
            is fitted: where the next time step's search continues, (B, T, A).
        std: Its standard deviation, (B, T, A).
        best: Best candidate seen in this call, (B, T, A).
        best_value: Its value, (B,); ``-inf`` where no candidate had a finite value.
        chosen: The sequence to act on, within the bounds, (B, T, A).
        elites: Best candidates of the last iteration, best first, (B, E, T, A).
        n_iterations: Iterations that were run; a deadline can cut them short.
    """

    mean: Tensor
    std: Tensor
    best: Tensor
    best_value: Tensor
    chosen: Tensor
    elites: Tensor
    n_iterations: int


class Optimizer(ABC):
    """Maximises a batched black-box objective over sequences; knows nothing of RL.

    All instances are optimised at once and independently of each other: instance i's
    solution depends on the other instances only through the order of random draws.
    Values that are NaN or infinite never win, whatever the sign of the others; returned
    sequences always lie within the bounds. An optimizer holds no state between calls.

    Attributes:
        needs_gradient: Whether the objective must be differentiable.
    """

    needs_gradient: ClassVar[bool] = False

    @abstractmethod
    def initial_mean(self, batch_size: int, horizon: int) -> Tensor:
        """Where a search without prior knowledge starts.

        Args:
            batch_size: Number of instances B.
            horizon: Sequence length T.

        Returns:
            Mean of the initial sampling distribution, (B, T, A).
        """

    @abstractmethod
    def optimize(
        self,
        objective: Objective,
        mean: Tensor,
        generator: torch.Generator | None = None,
        *,
        candidates: Tensor | None = None,
        deadline: float | None = None,
    ) -> Solution:
        """Search for the sequences with the highest values.

        Args:
            objective: Called with candidates (B, K, T, A), returns values (B, K).
            mean: Mean of the initial sampling distribution, (B, T, A).
            generator: Source of randomness, on the device of ``mean``.
            candidates: Sequences to try beside the sampled ones in the first iteration,
                (B, E, T, A); clipped to the bounds.
            deadline: ``time.monotonic()`` value after which no further iteration starts;
                the first one always runs.

        Returns:
            The solution. Where no candidate of an instance ever had a finite value,
            ``chosen`` is that instance's (clipped) initial mean.

        Raises:
            ShapeError: If ``mean``, ``candidates`` or the objective's values have other
                shapes than stated.
            ConfigurationError: If ``mean`` or ``candidates`` are not finite.
        """

    def carry_over(self, solution: Solution) -> Tensor | None:
        """Candidates worth trying at the next time step, already shifted by one.

        Args:
            solution: What :meth:`optimize` returned at this time step.

        Returns:
            Sequences (B, E, T, A), or ``None`` where nothing is carried over.
        """
        return None
