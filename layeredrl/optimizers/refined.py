"""A search whose best sequence climbs on along the gradient."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final, get_args

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from layeredrl.errors import ConfigurationError
from layeredrl.optimizers.adam_ascent import AdamAscent, Projection
from layeredrl.optimizers.box_optimizer import BoxOptimizer
from layeredrl.optimizers.checks import check_choice, check_count, check_range
from layeredrl.optimizers.icem import ICEM
from layeredrl.optimizers.optimizer import Optimizer, Solution
from layeredrl.optimizers.search import Search


@dataclass(frozen=True)
class RefinedConfig:
    """Numbers of :class:`Refined`."""

    n_steps: int = 10
    """Gradient steps after the search."""

    lr: float = 0.05
    """Step size of Adam, in half ranges of each dimension."""

    projection: Projection = "clip"
    """What keeps the ascent in the bounds: ``"clip"`` or ``"squash"`` (tanh)."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_count("n_steps", self.n_steps)
        check_range("lr", self.lr, 0, allow_low=False)
        check_choice("projection", self.projection, get_args(Projection))


@final
class Refined(BoxOptimizer):
    """Sampling to find the right valley, gradient steps to get to its bottom.

    What a long sequence is worth says little about its first element, so samples place it
    coarsely: an agent gets to its goal and hovers around it. Gradients tell all elements
    apart, but do not lead around corners. Bharadhwaj et al. ("Model-Predictive Control via
    Cross-Entropy and Gradient-Based Optimization", L4DC 2020) combine both, too; here a
    single sequence per instance climbs, which costs little beside the search.

    The next search starts from where the samples were, the sequence to act on is the best
    that was seen on the way.
    """

    needs_gradient: ClassVar[bool] = True

    def __init__(
        self,
        low: ArrayLike | Tensor,
        high: ArrayLike | Tensor,
        config: RefinedConfig = RefinedConfig(),
        *,
        partial_search: Callable[..., Optimizer] = ICEM,
        device: torch.device | str = "cpu",
    ) -> None:
        """Set up the optimizer.

        Args:
            low: Lowest value of each action dimension, (A,).
            high: Highest value of each action dimension, (A,).
            config: Numbers of the ascent.
            partial_search: Makes the search from ``low``, ``high`` and ``device=``.
            device: Where ``mean`` will live.

        Raises:
            ConfigurationError: If the search is none within box bounds.
        """
        super().__init__(low, high, device=device)
        inner = partial_search(low, high, device=device)
        if not isinstance(inner, BoxOptimizer):
            raise ConfigurationError(
                "only searches within box bounds can be refined, got "
                f"{type(inner).__name__}"
            )
        self._inner = inner
        self._config = config

    def initial_mean(self, batch_size: int, horizon: int) -> Tensor:
        """Start where the search does."""
        return self._inner.initial_mean(batch_size, horizon)

    def carry_over(self, solution: Solution) -> Tensor | None:
        """Carry over what the search does."""
        return self._inner.carry_over(solution)

    def _search(
        self,
        search: Search,
        mean: Tensor,
        candidates: Tensor,
        generator: torch.Generator | None,
    ) -> Solution:
        found = self._inner._search(search, mean, candidates, generator)
        start, _ = search.best()
        ascent = AdamAscent(
            start[:, None], self._bounds, self._config.lr, self._config.projection
        )
        ascent.climb(search, search.iterations(self._config.n_steps, at_least=0))
        if search.n_iterations > found.n_iterations:
            search.evaluate(ascent.sequences, 1)  # where the last step led
        best, best_value = search.best()
        return found._replace(
            best=best,
            best_value=best_value,
            chosen=best,
            n_iterations=search.n_iterations,
        )
