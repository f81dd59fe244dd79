"""Gradient ascent through a differentiable objective."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, final, get_args

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from layeredrl.optimizers.adam_ascent import AdamAscent, Projection
from layeredrl.optimizers.bounded_sampler import BoundedSampler
from layeredrl.optimizers.box_optimizer import BoxOptimizer
from layeredrl.optimizers.cem import CEMConfig
from layeredrl.optimizers.checks import check_choice, check_count, check_range
from layeredrl.optimizers.elites import Elites, select_elites, uniform_weights
from layeredrl.optimizers.gaussian import Gaussian, refit
from layeredrl.optimizers.optimizer import Solution
from layeredrl.optimizers.population import check_spread, count_share
from layeredrl.optimizers.return_modes import choose_sequence
from layeredrl.optimizers.search import Search


@dataclass(frozen=True)
class GradientConfig:
    """Numbers of :class:`Gradient`."""

    n_steps: int = 20
    """Gradient steps per call, or per iteration where interleaved with CEM."""

    n_starts: int = 16
    """Sequences that climb: the mean and samples around it; unused with ``interleave``."""

    lr: float = 0.1
    """Step size of Adam, in half ranges of each dimension."""

    init_std: float = 0.5
    """Standard deviation of the starts, in half ranges; unused with ``interleave``."""

    projection: Projection = "clip"
    """What keeps the ascent in the bounds: ``"clip"`` or ``"squash"`` (tanh)."""

    interleave: CEMConfig | None = None
    """With it, each iteration of this CEM lets its elites climb before fitting to them."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_count("n_steps", self.n_steps)
        check_count("n_starts", self.n_starts)
        check_range("lr", self.lr, 0, allow_low=False)
        check_spread(self.init_std)
        check_choice("projection", self.projection, get_args(Projection))


@final
class Gradient(BoxOptimizer):
    """Adam ascent from several starts, alone or interleaved with CEM.

    Alone, an iteration is one gradient step of all starts, the solution's ``mean`` is the
    best sequence seen, ``std`` the spread of where the starts ended. Interleaved, an
    iteration is one of CEM, and ``return_mode`` of the CEM's numbers decides.
    """

    needs_gradient: ClassVar[bool] = True

    def __init__(
        self,
        low: ArrayLike | Tensor,
        high: ArrayLike | Tensor,
        config: GradientConfig = GradientConfig(),
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        """Set up the optimizer.

        Args:
            low: Lowest value of each action dimension, (A,).
            high: Highest value of each action dimension, (A,).
            config: Numbers of the search.
            device: Where ``mean`` will live.
        """
        super().__init__(low, high, device=device)
        self._config = config
        cem = config.interleave or CEMConfig()
        self._sampler = BoundedSampler(
            self._bounds, cem.sampling, use_mirroring=cem.use_mirroring
        )

    def _search(
        self,
        search: Search,
        mean: Tensor,
        candidates: Tensor,
        generator: torch.Generator | None,
    ) -> Solution:
        if self._config.interleave is None:
            return self._climb_alone(search, mean, candidates, generator)
        return self._climb_within_cem(
            search, mean, candidates, generator, self._config.interleave
        )

    def _climb_alone(
        self,
        search: Search,
        mean: Tensor,
        candidates: Tensor,
        generator: torch.Generator | None,
    ) -> Solution:
        gaussian = self._gaussian(mean, self._config.init_std)
        starts = self._sampler.draw(
            gaussian, self._config.n_starts - 1, generator, [mean[:, None], candidates]
        )
        steps = search.iterations(self._config.n_steps)
        elites = self._climb(search, starts, steps)
        spread = refit(gaussian, elites, uniform_weights(elites.values)).std
        best, _ = search.best()
        return search.solution(Gaussian(best, spread), elites)

    def _climb_within_cem(
        self,
        search: Search,
        mean: Tensor,
        candidates: Tensor,
        generator: torch.Generator | None,
        cem: CEMConfig,
    ) -> Solution:
        gaussian = self._gaussian(mean, cem.init_std)
        n_elites = count_share(cem.elite_ratio, cem.n_candidates)
        for index in search.iterations(cem.n_iterations):
            extras = [candidates] if index == 0 else []
            found = search.evaluate(
                self._sampler.draw(gaussian, cem.n_candidates, generator, extras),
                n_elites,
            )
            steps = range(self._config.n_steps)
            elites = _merge(found, self._climb(search, found.sequences, steps))
            gaussian = refit(
                gaussian,
                elites,
                uniform_weights(elites.values),
                momentum=cem.momentum,
                min_std=cem.min_std * self._bounds.half_range,
            )
        chosen = choose_sequence(cem.return_mode, gaussian, self._sampler, generator)
        return search.solution(gaussian, elites, chosen)

    def _climb(self, search: Search, starts: Tensor, steps: Iterable[int]) -> Elites:
        """Climb and return where all starts ended, best first."""
        ascent = AdamAscent(
            starts, self._bounds, self._config.lr, self._config.projection
        )
        ascent.climb(search, steps)
        return search.evaluate(ascent.sequences, starts.shape[1])


def _merge(found: Elites, refined: Elites) -> Elites:
    """Keep the best of elites before and after climbing, as many as before."""
    return select_elites(
        torch.cat([found.sequences, refined.sequences], dim=1),
        torch.cat([found.values, refined.values], dim=1),
        found.values.shape[1],
    )
