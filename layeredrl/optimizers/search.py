"""The bookkeeping of one search: time, values, and the best so far."""

import time
from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor

from layeredrl.errors import ConfigurationError
from layeredrl.optimizers.checks import check_values
from layeredrl.optimizers.elites import Elites, finite_or_last, select_elites
from layeredrl.optimizers.gaussian import Gaussian
from layeredrl.optimizers.optimizer import Objective, Solution


@final
class Search:
    """One call of an optimizer.

    Attributes:
        n_iterations: Iterations that were begun.
    """

    def __init__(
        self, objective: Objective, fallback: Tensor, deadline: float | None
    ) -> None:
        """Begin a search.

        Args:
            objective: What to maximise.
            fallback: What to act on where nothing has a finite value, (B, T, A).
            deadline: ``time.monotonic()`` value after which no iteration begins.
        """
        self._objective = objective
        self._fallback = fallback
        self._deadline = deadline
        self._winners: list[Tensor] = []
        self._winning_values: list[Tensor] = []
        self.n_iterations = 0

    def iterations(self, limit: int, at_least: int = 1) -> Iterator[int]:
        """Count iterations until the limit or the deadline.

        Args:
            limit: How many iterations to run at most.
            at_least: How many to run even if it is late.

        Yields:
            Index of the iteration that begins.
        """
        for index in range(limit):
            late = self._deadline is not None and time.monotonic() >= self._deadline
            if late and index >= at_least:
                return
            self.n_iterations += 1
            yield index

    def evaluate(self, candidates: Tensor, n_elites: int) -> Elites:
        """Ask the objective and remember each instance's best candidate.

        Args:
            candidates: Candidates (B, K, T, A); not to be written to from now on.
            n_elites: How many of the best to return, at most K.

        Returns:
            The best candidates and their values.
        """
        values = check_values(self._objective(candidates), candidates)
        return self._rank(candidates, values, n_elites)

    def evaluate_with_gradient(self, candidates: Tensor) -> Tensor:
        """Ask the objective also in which direction its values rise.

        Only candidates get gradients, no parameter of the objective does.

        Args:
            candidates: Candidates (B, K, T, A); not to be written to from now on.

        Returns:
            Gradient of each candidate's value, zero where NaN or infinite, (B, K, T, A).

        Raises:
            ConfigurationError: If the values do not depend differentiably on them.
        """
        with torch.inference_mode(False), torch.enable_grad():
            leaf = candidates.clone().requires_grad_()
            values = check_values(self._objective(leaf), leaf)
            gradient = None
            if values.requires_grad:
                (gradient,) = torch.autograd.grad(
                    values, leaf, torch.ones_like(values), allow_unused=True
                )
        if gradient is None:
            raise ConfigurationError(
                "the objective must be differentiable with respect to the candidates, "
                "got values without a gradient"
            )
        self._rank(candidates, values.detach(), 1)
        return gradient.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)

    def best(self) -> tuple[Tensor, Tensor]:
        """Look up the best candidates of all iterations.

        Returns:
            Best candidates (B, T, A), the fallback where nothing had a finite value; and
            their values (B,), ``-inf`` there.
        """
        values, iteration = torch.stack(self._winning_values).max(0)
        rows = torch.arange(len(values), device=values.device)
        winners = torch.stack(self._winners)[iteration, rows]
        return self._or_fallback(winners, values), values

    def solution(
        self, gaussian: Gaussian, elites: Elites, chosen: Tensor | None = None
    ) -> Solution:
        """Close the search.

        Args:
            gaussian: Final distribution, its mean within the bounds.
            elites: Best candidates of the last iteration.
            chosen: Sequences to act on, (B, T, A); without them, the best seen.

        Returns:
            The solution.
        """
        best, best_value = self.best()
        if chosen is not None:
            chosen = self._or_fallback(chosen, best_value)
        return Solution(
            mean=gaussian.mean,
            std=gaussian.std,
            best=best,
            best_value=best_value,
            chosen=best if chosen is None else chosen,
            elites=elites.sequences,
            n_iterations=self.n_iterations,
        )

    def _rank(self, candidates: Tensor, values: Tensor, n_elites: int) -> Elites:
        elites = select_elites(candidates, finite_or_last(values), n_elites)
        self._winners.append(elites.sequences[:, 0])
        self._winning_values.append(elites.values[:, 0])
        return elites

    def _or_fallback(self, sequences: Tensor, best_value: Tensor) -> Tensor:
        is_found = (best_value > -torch.inf)[:, None, None]
        return torch.where(is_found, sequences, self._fallback)
