"""The cross-entropy method."""

from dataclasses import dataclass
from typing import final, get_args

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from layeredrl.optimizers.bounded_sampler import BoundedSampler, Sampling
from layeredrl.optimizers.box_optimizer import BoxOptimizer
from layeredrl.optimizers.checks import check_choice
from layeredrl.optimizers.elites import uniform_weights
from layeredrl.optimizers.gaussian import refit
from layeredrl.optimizers.optimizer import Solution
from layeredrl.optimizers.population import (
    check_population,
    check_spread,
    count_share,
)
from layeredrl.optimizers.return_modes import ReturnMode, choose_sequence
from layeredrl.optimizers.search import Search


@dataclass(frozen=True)
class CEMConfig:
    """Numbers of :class:`CEM`."""

    n_iterations: int = 6
    """Iterations per call; a deadline can cut them short."""

    n_candidates: int = 256
    """Candidates drawn per iteration."""

    elite_ratio: float = 0.1
    """Share of ``n_candidates`` that the distribution is fitted to, (0, 1]."""

    momentum: float = 0.1
    """Share of the old mean and standard deviation that stays at each fit, [0, 1)."""

    init_std: float = 0.5
    """Initial standard deviation, in half ranges of each dimension."""

    min_std: float = 0.0
    """Floor of fitted standard deviations, in half ranges of each dimension."""

    sampling: Sampling = "clip"
    """What keeps samples in the bounds: ``"clip"`` or ``"truncate"``."""

    return_mode: ReturnMode = "mean"
    """What to act on: ``"mean"``, ``"best"`` or ``"sample"``."""

    use_mirroring: bool = True
    """Whether candidates come in pairs on opposite sides of the mean, at half the cost."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_population(
            self.n_iterations, self.n_candidates, self.elite_ratio, self.momentum
        )
        check_spread(self.init_std, self.min_std)
        check_choice("sampling", self.sampling, get_args(Sampling))
        check_choice("return_mode", self.return_mode, get_args(ReturnMode))


@final
class CEM(BoxOptimizer):
    """Cross-entropy method: draw, keep the best, fit a normal distribution, repeat.

    As used for planning by Chua et al. 2018 (PETS, arXiv 1805.12114).
    """

    def __init__(
        self,
        low: ArrayLike | Tensor,
        high: ArrayLike | Tensor,
        config: CEMConfig = CEMConfig(),
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
        self._sampler = BoundedSampler(
            self._bounds,
            config.sampling,
            use_mirroring=config.use_mirroring,
        )
        self._n_elites = count_share(config.elite_ratio, config.n_candidates)
        self._min_std = config.min_std * self._bounds.half_range

    def _search(
        self,
        search: Search,
        mean: Tensor,
        candidates: Tensor,
        generator: torch.Generator | None,
    ) -> Solution:
        config = self._config
        gaussian = self._gaussian(mean, config.init_std)
        for index in search.iterations(config.n_iterations):
            extras = [candidates] if index == 0 else []
            elites = search.evaluate(
                self._sampler.draw(gaussian, config.n_candidates, generator, extras),
                self._n_elites,
            )
            gaussian = refit(
                gaussian,
                elites,
                uniform_weights(elites.values),
                momentum=config.momentum,
                min_std=self._min_std,
            )
        chosen = choose_sequence(config.return_mode, gaussian, self._sampler, generator)
        return search.solution(gaussian, elites, chosen)
