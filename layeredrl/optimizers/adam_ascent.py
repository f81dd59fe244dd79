"""Climbing along gradients without leaving the bounds."""

from collections.abc import Iterable
from typing import Literal, final

import torch
from torch import Tensor

from layeredrl.optimizers.bounds import Bounds
from layeredrl.optimizers.search import Search

Projection = Literal["clip", "squash"]
"""What keeps an ascent in the bounds: clipping each step, or a tanh around it all."""

# An ascent has tens of steps, not a training's thousands: on all objectives tried, these
# shorter memories came closer than the usual 0.9 and 0.999.
_FIRST_DECAY = 0.8
_SECOND_DECAY = 0.95
_EPSILON = 1e-8
# Nearer to the bounds the tanh is so flat that nothing would climb away from them.
_SQUASH_LIMIT = 0.999


@final
class AdamAscent:
    """Adam (Kingma & Ba 2015, algorithm 1) upwards, for many sequences at once.

    It steps in coordinates in which the bounds are -1 and 1, or, when squashing, minus and
    plus infinity.

    Attributes:
        sequences: Where the ascent has come to, (B, K, T, A); each step makes new ones.
    """

    def __init__(
        self, starts: Tensor, bounds: Bounds, lr: float, projection: Projection
    ) -> None:
        """Begin an ascent.

        Args:
            starts: Where to begin, within the bounds, (B, K, T, A).
            bounds: Where to stay.
            lr: Step size, in half ranges of each dimension.
            projection: What keeps it in the bounds.
        """
        self.sequences = starts
        self._bounds = bounds
        self._lr = lr
        self._is_squashing = projection == "squash"
        position = (starts - bounds.center) / bounds.half_range
        if self._is_squashing:
            position = position.clamp(-_SQUASH_LIMIT, _SQUASH_LIMIT).atanh()
        self._position = position
        self._first = torch.zeros_like(starts)
        self._second = torch.zeros_like(starts)
        self._n_steps = 0

    def climb(self, search: Search, steps: Iterable[object]) -> None:
        """Climb for some steps; where the last one leads is not evaluated.

        Args:
            search: Asks the objective for gradients.
            steps: One entry per step.
        """
        for _ in steps:
            self.step(search.evaluate_with_gradient(self.sequences))

    def step(self, gradient: Tensor) -> None:
        """Climb one step.

        Args:
            gradient: Gradient of the values at :attr:`sequences`, finite, (B, K, T, A).
        """
        self._n_steps += 1
        slope = gradient * self._bounds.half_range
        if self._is_squashing:
            slope = slope * (1.0 - self._position.tanh().square())
        self._first.lerp_(slope, 1.0 - _FIRST_DECAY)
        self._second.lerp_(slope.square(), 1.0 - _SECOND_DECAY)
        first = self._first / (1.0 - _FIRST_DECAY**self._n_steps)
        second = self._second / (1.0 - _SECOND_DECAY**self._n_steps)
        position = self._position + self._lr * first / (second.sqrt() + _EPSILON)
        if self._is_squashing:
            self._position = position
            unit = position.tanh()
        else:
            self._position = unit = position.clamp(-1.0, 1.0)
        self.sequences = self._bounds.clip_(
            self._bounds.center + self._bounds.half_range * unit
        )
