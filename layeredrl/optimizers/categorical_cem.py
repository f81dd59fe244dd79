"""The cross-entropy method for sequences of discrete choices."""

from dataclasses import dataclass
from typing import final, get_args

import torch
from torch import Tensor

from layeredrl.errors import ConfigurationError
from layeredrl.optimizers.checks import (
    check_candidates,
    check_choice,
    check_count,
    check_generator,
    check_mean,
    check_range,
)
from layeredrl.optimizers.elites import Elites, refit_step, uniform_weights
from layeredrl.optimizers.gaussian import Gaussian
from layeredrl.optimizers.optimizer import Objective, Optimizer, Solution
from layeredrl.optimizers.population import check_population, count_share
from layeredrl.optimizers.return_modes import ReturnMode
from layeredrl.optimizers.search import Search


@dataclass(frozen=True)
class CategoricalCEMConfig:
    """Numbers of :class:`CategoricalCEM`."""

    n_iterations: int = 6
    """Iterations per call; a deadline can cut them short."""

    n_candidates: int = 256
    """Candidates drawn per iteration."""

    elite_ratio: float = 0.1
    """Share of ``n_candidates`` that the probabilities are fitted to, (0, 1]."""

    momentum: float = 0.1
    """Share of the old probabilities that stays at each fit, [0, 1)."""

    uniform_share: float = 0.1
    """Share of equal chances mixed into each fit, so that no choice dies out, [0, 1)."""

    return_mode: ReturnMode = "mean"
    """What to act on: each step's most probable choice (``"mean"``), the ``"best"``
    candidate seen, or a ``"sample"`` of the final probabilities."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_population(
            self.n_iterations, self.n_candidates, self.elite_ratio, self.momentum
        )
        check_range("uniform_share", self.uniform_share, 0, 1, allow_high=False)
        check_choice("return_mode", self.return_mode, get_args(ReturnMode))


@final
class CategoricalCEM(Optimizer):
    """Cross-entropy method over one discrete choice per step.

    Candidates are one-hot, (B, K, T, A) with one feature per category; ``mean`` holds
    probabilities, (B, T, A). Given candidates that are not one-hot count as their largest
    entry. ``best``, ``chosen`` and ``elites`` are one-hot, ``std`` is that of the choices.
    """

    def __init__(
        self,
        n_categories: int,
        config: CategoricalCEMConfig = CategoricalCEMConfig(),
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        """Set up the optimizer.

        Args:
            n_categories: Number of choices per step, A.
            config: Numbers of the search.
            device: Where ``mean`` will live.

        Raises:
            ConfigurationError: If there is no category.
        """
        check_count("n_categories", n_categories)
        self._config = config
        self._n_elites = count_share(config.elite_ratio, config.n_candidates)
        self._uniform = torch.full((n_categories,), 1.0 / n_categories, device=device)

    def initial_mean(self, batch_size: int, horizon: int) -> Tensor:
        """Start with equal chances.

        Args:
            batch_size: Number of instances B.
            horizon: Sequence length T.

        Returns:
            Probabilities (B, T, A).
        """
        check_count("horizon", horizon)
        return self._uniform.repeat(batch_size, horizon, 1)

    def optimize(
        self,
        objective: Objective,
        mean: Tensor,
        generator: torch.Generator | None = None,
        *,
        candidates: Tensor | None = None,
        deadline: float | None = None,
    ) -> Solution:
        """Search among one-hot sequences, as :meth:`Optimizer.optimize` promises.

        Raises:
            ConfigurationError: If ``mean`` has negative entries or a step without any.
        """
        with torch.no_grad():
            mean = check_mean(mean, len(self._uniform), self._uniform)
            check_generator(generator, mean.device)
            if candidates is None:
                candidates = mean.new_empty(len(mean), 0, *mean.shape[1:])
            candidates = _most_probable(check_candidates(candidates, mean))
            search = Search(objective, _most_probable(mean), deadline)
            return self._search(search, _normalized(mean), candidates, generator)

    def _search(
        self,
        search: Search,
        probs: Tensor,
        candidates: Tensor,
        generator: torch.Generator | None,
    ) -> Solution:
        config = self._config
        for index in search.iterations(config.n_iterations):
            drawn = _draw(probs, config.n_candidates, generator)
            if index == 0:
                drawn = torch.cat([drawn, candidates], dim=1)
            elites = search.evaluate(drawn, self._n_elites)
            probs = self._refit(probs, elites)
        std = (probs * (1.0 - probs)).sqrt()
        chosen = self._choose(probs, generator)
        return search.solution(Gaussian(probs, std), elites, chosen)

    def _refit(self, probs: Tensor, elites: Elites) -> Tensor:
        weights = uniform_weights(elites.values)[:, :, None, None]
        shares = (weights * elites.sequences).sum(1)
        shares = torch.lerp(shares, self._uniform, self._config.uniform_share)
        step = refit_step(elites.values, self._config.momentum)
        return torch.lerp(probs, shares, step)

    def _choose(
        self, probs: Tensor, generator: torch.Generator | None
    ) -> Tensor | None:
        if self._config.return_mode == "mean":
            return _most_probable(probs)
        if self._config.return_mode == "sample":
            return _draw(probs, 1, generator)[:, 0]
        return None


def _normalized(mean: Tensor) -> Tensor:
    total = mean.sum(-1, keepdim=True)
    if (mean < 0).any() or (total <= 0).any():
        raise ConfigurationError(
            "mean must hold probabilities, got entries down to "
            f"{mean.min().item()} and sums down to {total.min().item()}"
        )
    return mean / total


def _most_probable(probs: Tensor) -> Tensor:
    choice = probs.argmax(-1, keepdim=True)
    return torch.zeros_like(probs).scatter_(-1, choice, 1.0)


def _draw(probs: Tensor, n_samples: int, generator: torch.Generator | None) -> Tensor:
    """Draw one-hot sequences (B, K, T, A) by where a uniform number falls."""
    n_instances, horizon, _ = probs.shape
    upper = probs.cumsum(-1)
    # Dividing makes the last edge exactly one, so that each number falls somewhere, and
    # never on a choice without probability.
    upper = (upper / upper[..., -1:])[:, None]
    lower = torch.nn.functional.pad(upper[..., :-1], (1, 0))
    ranks = torch.rand(
        (n_instances, n_samples, horizon, 1), generator=generator, device=probs.device
    )
    return ((ranks >= lower) & (ranks < upper)).to(probs.dtype)
