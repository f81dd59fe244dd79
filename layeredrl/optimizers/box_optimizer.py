"""What all optimizers of continuous sequences have in common."""

from abc import abstractmethod

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from layeredrl.optimizers.bounds import Bounds
from layeredrl.optimizers.checks import (
    check_candidates,
    check_count,
    check_generator,
    check_mean,
)
from layeredrl.optimizers.gaussian import Gaussian
from layeredrl.optimizers.optimizer import Objective, Optimizer, Solution
from layeredrl.optimizers.search import Search


class BoxOptimizer(Optimizer):
    """An optimizer of sequences within box bounds: checks the door, closes the search."""

    def __init__(
        self,
        low: ArrayLike | Tensor,
        high: ArrayLike | Tensor,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        """Take the bounds in.

        Args:
            low: Lowest value of each action dimension, (A,).
            high: Highest value of each action dimension, (A,).
            device: Where ``mean`` will live.

        Raises:
            ShapeError: If the bounds are not vectors of one length.
            SpaceError: If they are not finite, or the lowest not below the highest.
        """
        self._bounds = Bounds(low, high, device=device)

    def initial_mean(self, batch_size: int, horizon: int) -> Tensor:
        """Start in the middle of the bounds.

        Args:
            batch_size: Number of instances B.
            horizon: Sequence length T.

        Returns:
            Mean of the initial sampling distribution, (B, T, A).
        """
        check_count("horizon", horizon)
        return self._bounds.center.repeat(batch_size, horizon, 1)

    def optimize(
        self,
        objective: Objective,
        mean: Tensor,
        generator: torch.Generator | None = None,
        *,
        candidates: Tensor | None = None,
        deadline: float | None = None,
    ) -> Solution:
        """Search within the bounds, as :meth:`Optimizer.optimize` promises."""
        with torch.no_grad():
            mean = check_mean(mean, len(self._bounds), self._bounds.low)
            check_generator(generator, mean.device)
            if candidates is None:
                candidates = mean.new_empty(len(mean), 0, *mean.shape[1:])
            candidates = self._bounds.clip(check_candidates(candidates, mean))
            mean = self._bounds.clip(mean)
            search = Search(objective, mean, deadline)
            solution = self._search(search, mean, candidates, generator)
            # Averages of sequences in the bounds can leave them by a rounding error.
            return solution._replace(
                mean=self._bounds.clip(solution.mean),
                chosen=self._bounds.clip(solution.chosen),
            )

    @abstractmethod
    def _search(
        self,
        search: Search,
        mean: Tensor,
        candidates: Tensor,
        generator: torch.Generator | None,
    ) -> Solution:
        """Search, with everything checked and clipped and gradients off.

        Args:
            search: Asks the objective and keeps the time.
            mean: Mean of the initial sampling distribution, (B, T, A).
            candidates: Sequences to try in the first iteration, (B, E, T, A); E may be 0.
            generator: Source of randomness.

        Returns:
            The solution.
        """

    def _gaussian(self, mean: Tensor, std: float) -> Gaussian:
        """Spread a distribution around a mean; the deviation is in half ranges."""
        spread = (std * self._bounds.half_range).expand_as(mean).contiguous()
        return Gaussian(mean, spread)
