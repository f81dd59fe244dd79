"""Random shooting: try many, keep the best."""

import math
from dataclasses import dataclass
from typing import Literal, final, get_args

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from layeredrl.optimizers.bounded_sampler import BoundedSampler
from layeredrl.optimizers.box_optimizer import BoxOptimizer
from layeredrl.optimizers.checks import check_choice, check_count
from layeredrl.optimizers.gaussian import Gaussian
from layeredrl.optimizers.optimizer import Solution
from layeredrl.optimizers.population import check_spread
from layeredrl.optimizers.search import Search

Distribution = Literal["uniform", "normal"]
"""What random shooting draws from: all of the box, or the surroundings of the mean."""


@dataclass(frozen=True)
class RandomShootingConfig:
    """Numbers of :class:`RandomShooting`."""

    n_iterations: int = 1
    """Batches of candidates per call; a deadline can cut them short."""

    n_candidates: int = 1024
    """Candidates per batch."""

    distribution: Distribution = "uniform"
    """``"uniform"`` in the bounds, or ``"normal"`` around the mean, clipped."""

    init_std: float = 0.5
    """Standard deviation of ``"normal"``, in half ranges of each dimension."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_count("n_iterations", self.n_iterations)
        check_count("n_candidates", self.n_candidates)
        check_choice("distribution", self.distribution, get_args(Distribution))
        check_spread(self.init_std)


@final
class RandomShooting(BoxOptimizer):
    """Tries independent random sequences and returns the best of them.

    The solution's ``mean`` is the best sequence, so that a warm start searches around it;
    ``std`` is that of the distribution drawn from, ``elites`` the best of the last batch.
    """

    def __init__(
        self,
        low: ArrayLike | Tensor,
        high: ArrayLike | Tensor,
        config: RandomShootingConfig = RandomShootingConfig(),
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
        self._sampler = BoundedSampler(self._bounds, use_mirroring=False)
        self._is_uniform = config.distribution == "uniform"
        # A uniform distribution deviates by its half range over the root of three.
        self._std = 1.0 / math.sqrt(3.0) if self._is_uniform else config.init_std

    def _search(
        self,
        search: Search,
        mean: Tensor,
        candidates: Tensor,
        generator: torch.Generator | None,
    ) -> Solution:
        gaussian = self._gaussian(mean, self._std)
        for index in search.iterations(self._config.n_iterations):
            extras = candidates if index == 0 else candidates[:, :0]
            elites = search.evaluate(self._draw(gaussian, generator, extras), 1)
        best, _ = search.best()
        return search.solution(Gaussian(best, gaussian.std), elites)

    def _draw(
        self, gaussian: Gaussian, generator: torch.Generator | None, extras: Tensor
    ) -> Tensor:
        if not self._is_uniform:
            n_samples = self._config.n_candidates
            return self._sampler.draw(gaussian, n_samples, generator, [extras])
        n_instances, horizon, n_features = gaussian.mean.shape
        samples = torch.rand(
            (n_instances, self._config.n_candidates, horizon, n_features),
            generator=generator,
            device=gaussian.mean.device,
        )
        samples.mul_(2.0 * self._bounds.half_range).add_(self._bounds.low)
        return self._bounds.clip_(torch.cat([samples, extras], dim=1))
