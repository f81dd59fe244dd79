"""Model predictive path integral control."""

from dataclasses import dataclass
from typing import Literal, final, get_args

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from layeredrl.optimizers.bounded_sampler import BoundedSampler, Sampling
from layeredrl.optimizers.box_optimizer import BoxOptimizer
from layeredrl.optimizers.checks import check_choice, check_range
from layeredrl.optimizers.elites import Elites, softmax_weights
from layeredrl.optimizers.gaussian import Gaussian, refit
from layeredrl.optimizers.optimizer import Solution
from layeredrl.optimizers.population import (
    check_population,
    check_spread,
    count_share,
)
from layeredrl.optimizers.search import Search

MPPIReturnMode = Literal["mean", "best", "elite"]
"""What to act on: the final mean, the best seen, or an elite drawn by its weight."""


@dataclass(frozen=True)
class MPPIConfig:
    """Numbers of :class:`MPPI`."""

    n_iterations: int = 6
    """Iterations per call; a deadline can cut them short."""

    n_candidates: int = 256
    """Candidates drawn per iteration."""

    elite_ratio: float = 0.125
    """Share of ``n_candidates`` that is weighted, the best first, (0, 1]; 1 weights all."""

    temperature: float = 0.5
    """Distance from the highest value at which a weight has fallen to 1/e."""

    momentum: float = 0.0
    """Share of the old mean and standard deviation that stays at each fit, [0, 1)."""

    init_std: float = 1.0
    """Initial standard deviation, in half ranges of each dimension."""

    min_std: float = 0.05
    """Floor of fitted standard deviations, in half ranges of each dimension."""

    noise_beta: float = 0.0
    """Exponent of the noise along time; 0 is white noise."""

    sampling: Sampling = "clip"
    """What keeps samples in the bounds: ``"clip"`` or ``"truncate"``."""

    keep_candidates: bool = False
    """Whether given candidates are tried in every iteration, not only in the first."""

    return_mode: MPPIReturnMode = "mean"
    """What to act on: ``"mean"``, ``"best"`` or ``"elite"``."""

    use_mirroring: bool = True
    """Whether candidates come in pairs on opposite sides of the mean, at half the cost."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_population(
            self.n_iterations, self.n_candidates, self.elite_ratio, self.momentum
        )
        check_spread(self.init_std, self.min_std)
        check_range("temperature", self.temperature, 0, allow_low=False)
        check_range("noise_beta", self.noise_beta)
        check_choice("sampling", self.sampling, get_args(Sampling))
        check_choice("return_mode", self.return_mode, get_args(MPPIReturnMode))


@final
class MPPI(BoxOptimizer):
    """Path integral control: candidates weighted by the exponential of their value.

    Williams et al. 2017 (JGCD 40, no. 2) weight all candidates and keep the deviation; as
    in TD-MPC2 (arXiv 2310.16828), only the best count here and the deviation is refitted.
    """

    def __init__(
        self,
        low: ArrayLike | Tensor,
        high: ArrayLike | Tensor,
        config: MPPIConfig = MPPIConfig(),
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
            extras = [candidates] if index == 0 or config.keep_candidates else []
            elites = search.evaluate(
                self._sampler.draw(gaussian, config.n_candidates, generator, extras),
                self._n_elites,
            )
            weights = softmax_weights(elites.values, config.temperature)
            gaussian = refit(
                gaussian,
                elites,
                weights,
                momentum=config.momentum,
                min_std=self._min_std,
            )
        chosen = self._choose(gaussian, elites, weights, generator)
        return search.solution(gaussian, elites, chosen)

    def _choose(
        self,
        gaussian: Gaussian,
        elites: Elites,
        weights: Tensor,
        generator: torch.Generator | None,
    ) -> Tensor | None:
        if self._config.return_mode == "mean":
            return gaussian.mean
        if self._config.return_mode == "best":
            return None
        # Of exponential clocks with the weights as rates, each rings first with the
        # probability of its weight: the Gumbel trick without logarithms of zero.
        clocks = torch.empty_like(weights).exponential_(generator=generator)
        winner = (weights / clocks.clamp(min=torch.finfo(clocks.dtype).tiny)).argmax(1)
        rows = torch.arange(len(winner), device=winner.device)
        return elites.sequences[rows, winner]
