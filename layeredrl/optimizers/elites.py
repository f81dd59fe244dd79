"""The best candidates, and how much each of them counts."""

from typing import NamedTuple

import torch
from torch import Tensor


class Elites(NamedTuple):
    """The best candidates of an iteration.

    Attributes:
        sequences: Candidates, best first, (B, E, T, A).
        values: Their values, ``-inf`` where these were NaN or infinite, (B, E).
    """

    sequences: Tensor
    values: Tensor


def finite_or_last(values: Tensor) -> Tensor:
    """Rank everything that is not a finite number behind everything that is.

    Args:
        values: Values (B, K).

    Returns:
        Values (B, K), with ``-inf`` in place of NaN and both infinities.
    """
    worst = -torch.inf
    return torch.nan_to_num(values, nan=worst, posinf=worst, neginf=worst)


def select_elites(candidates: Tensor, values: Tensor, n_elites: int) -> Elites:
    """Pick each instance's best candidates.

    Args:
        candidates: Candidates (B, K, T, A).
        values: Their values (B, K), anything that is not finite being ``-inf``.
        n_elites: How many to pick, at most K.

    Returns:
        The elites; fewer than asked for count where fewer have finite values.
    """
    top = values.topk(n_elites, dim=1)
    rows = torch.arange(len(values), device=values.device)
    return Elites(candidates[rows[:, None], top.indices], top.values)


def uniform_weights(values: Tensor) -> Tensor:
    """Let all finite elites count the same.

    Args:
        values: Values of elites (B, E), ``-inf`` where they shall not count.

    Returns:
        Weights (B, E), summing to one, or to zero where nothing is finite.
    """
    counts = (values > -torch.inf).to(values.dtype)
    return counts / counts.sum(1, keepdim=True).clamp(min=1.0)


def softmax_weights(values: Tensor, temperature: float) -> Tensor:
    """Let elites count by ``exp((value - highest value) / temperature)``.

    Args:
        values: Values of elites, best first (B, E), ``-inf`` where they shall not count.
        temperature: Distance from the best at which the weight has fallen to 1/e.

    Returns:
        Weights (B, E), summing to one, or to zero where nothing is finite.
    """
    exponents = (values - values[:, :1]) / temperature
    return exponents.softmax(1).nan_to_num(nan=0.0)


def refit_step(values: Tensor, momentum: float) -> Tensor:
    """Say how far each instance's distribution moves towards its elites.

    Args:
        values: Values of elites, best first (B, E), ``-inf`` where they shall not count.
        momentum: Share of the old distribution that stays, [0, 1).

    Returns:
        Step (B, 1, 1): ``1 - momentum``, or 0 where nothing is finite.
    """
    return (values[:, :1, None] > -torch.inf) * (1.0 - momentum)
