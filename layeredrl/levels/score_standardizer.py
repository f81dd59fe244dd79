"""Scores of skills in units of what is usual."""

from typing import Any

import torch
from torch import Tensor

from layeredrl.levels.level import LevelSpec


class ScoreStandardizer:
    """Mean and standard deviation of scores, following new batches exponentially."""

    def __init__(self, momentum: float, spec: LevelSpec):
        """Start with nothing seen.

        Args:
            momentum: Weight of a new batch, (0, 1].
            spec: Where it will be used.
        """
        self._momentum = momentum
        self._is_fresh = True
        self._mean = torch.zeros((), device=spec.device)
        self._variance = torch.ones((), device=spec.device)

    def update(self, score: Tensor, n_batches: int) -> None:
        """Follow new scores; the first ones count in full.

        Args:
            score: Scores (R,), at least one.
            n_batches: For how many batches they count.
        """
        weight = 1.0
        if not self._is_fresh:
            weight = 1.0 - (1.0 - self._momentum) ** n_batches
        self._is_fresh = self._is_fresh and len(score) < 2  # one tells no deviation
        mean = score.mean()
        spread = (score - mean).square().mean()
        # As if the two sets of scores were merged.
        spread = spread + (1.0 - weight) * (mean - self._mean).square()
        self._variance.lerp_(spread, weight)
        self._mean.lerp_(mean, weight)

    def __call__(self, score: Tensor) -> Tensor:
        """Standardise scores.

        Args:
            score: Scores of any shape.

        Returns:
            The same at zero mean and unit deviation.
        """
        return (score - self._mean) / self._variance.sqrt().clamp(min=1e-4)

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes.

        Returns:
            Tensors and a flag.
        """
        return {
            "is_fresh": self._is_fresh,
            "mean": self._mean.clone(),
            "variance": self._variance.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        self._is_fresh = state["is_fresh"]
        self._mean.copy_(state["mean"])
        self._variance.copy_(state["variance"])
