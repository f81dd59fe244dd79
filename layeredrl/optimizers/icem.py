"""The improved cross-entropy method."""

from dataclasses import dataclass
from typing import final, get_args

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from layeredrl.optimizers.bounded_sampler import BoundedSampler, Sampling
from layeredrl.optimizers.box_optimizer import BoxOptimizer
from layeredrl.optimizers.checks import check_choice, check_range
from layeredrl.optimizers.elites import uniform_weights
from layeredrl.optimizers.gaussian import Gaussian, refit
from layeredrl.optimizers.optimizer import Solution
from layeredrl.optimizers.population import (
    check_population,
    check_spread,
    count_share,
)
from layeredrl.optimizers.return_modes import ReturnMode, choose_sequence
from layeredrl.optimizers.search import Search
from layeredrl.optimizers.shifting import shift_sequences


@dataclass(frozen=True)
class ICEMConfig:
    """Numbers of :class:`ICEM`; each published part can be switched off."""

    n_iterations: int = 6
    """Iterations per call; a deadline can cut them short."""

    n_candidates: int = 256
    """Candidates drawn in the first iteration."""

    elite_ratio: float = 0.04
    """Share of ``n_candidates`` that the distribution is fitted to, (0, 1]."""

    momentum: float = 0.1
    """Share of the old mean and standard deviation that stays at each fit, [0, 1)."""

    init_std: float = 0.5
    """Initial standard deviation, in half ranges of each dimension."""

    min_std: float = 0.0
    """Floor of fitted standard deviations, in half ranges of each dimension."""

    noise_beta: float = 2.0
    """Part 1: exponent of the noise along time; 0 switches to white noise."""

    sampling: Sampling = "clip"
    """Part 2: ``"clip"`` at the bounds; ``"truncate"`` is the other way to stay within."""

    population_decay: float = 1.25
    """Part 3: factor by which each iteration draws fewer, at least twice the elites; 1 off."""

    keep_ratio: float = 0.3
    """Part 4: share of the elites that the next iteration tries again; 0 off."""

    shift_ratio: float = 0.3
    """Part 5: share of the elites that :meth:`ICEM.carry_over` shifts; 0 off."""

    return_mode: ReturnMode = "best"
    """Part 6: act on the ``"best"``; others are ``"mean"`` and ``"sample"``."""

    use_mean: bool = True
    """Part 7: whether the last iteration tries the mean as well."""

    use_mirroring: bool = True
    """Not in the paper: whether candidates come in pairs on opposite sides of the mean."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_population(
            self.n_iterations, self.n_candidates, self.elite_ratio, self.momentum
        )
        check_spread(self.init_std, self.min_std)
        check_range("noise_beta", self.noise_beta)
        check_choice("sampling", self.sampling, get_args(Sampling))
        check_range("population_decay", self.population_decay, 1)
        check_range("keep_ratio", self.keep_ratio, 0, 1)
        check_range("shift_ratio", self.shift_ratio, 0, 1)
        check_choice("return_mode", self.return_mode, get_args(ReturnMode))


@final
class ICEM(BoxOptimizer):
    """Improved cross-entropy method (Pinneri et al., CoRL 2020, arXiv 2008.06389).

    Kept elites, shifted elites and the mean are tried beside the drawn candidates, not
    instead of some. Hand :meth:`carry_over` to the next call's ``candidates``.
    """

    def __init__(
        self,
        low: ArrayLike | Tensor,
        high: ArrayLike | Tensor,
        config: ICEMConfig = ICEMConfig(),
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
            noise_beta=config.noise_beta,
            use_mirroring=config.use_mirroring,
        )
        self._n_elites = count_share(config.elite_ratio, config.n_candidates)
        self._n_kept = count_share(config.keep_ratio, self._n_elites)
        self._n_shifted = count_share(config.shift_ratio, self._n_elites)
        self._n_drawn = [self._count_drawn(i) for i in range(config.n_iterations)]
        self._min_std = config.min_std * self._bounds.half_range

    def carry_over(self, solution: Solution) -> Tensor | None:
        """Shift the best elites on by one step, repeating their last action.

        Args:
            solution: What :meth:`optimize` returned at this time step.

        Returns:
            Sequences (B, E, T, A), or ``None`` with a shift ratio of 0.
        """
        if self._n_shifted == 0:
            return None
        return shift_sequences(solution.elites[:, : self._n_shifted])

    def _search(
        self,
        search: Search,
        mean: Tensor,
        candidates: Tensor,
        generator: torch.Generator | None,
    ) -> Solution:
        config = self._config
        gaussian = self._gaussian(mean, config.init_std)
        kept = candidates
        for index in search.iterations(config.n_iterations):
            extras = self._extras(index, kept, gaussian)
            elites = search.evaluate(
                self._sampler.draw(gaussian, self._n_drawn[index], generator, extras),
                self._n_elites,
            )
            kept = elites.sequences[:, : self._n_kept]
            gaussian = refit(
                gaussian,
                elites,
                uniform_weights(elites.values),
                momentum=config.momentum,
                min_std=self._min_std,
            )
        chosen = choose_sequence(config.return_mode, gaussian, self._sampler, generator)
        return search.solution(gaussian, elites, chosen)

    def _count_drawn(self, index: int) -> int:
        config = self._config
        decayed = int(config.n_candidates / config.population_decay**index)
        return min(config.n_candidates, max(decayed, 2 * self._n_elites))

    def _extras(self, index: int, kept: Tensor, gaussian: Gaussian) -> list[Tensor]:
        is_last = index == self._config.n_iterations - 1
        if is_last and self._config.use_mean:
            return [kept, gaussian.mean[:, None]]
        return [kept]
