"""The box that sequences must stay in."""

from typing import final

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from layeredrl.errors import ShapeError, SpaceError


@final
class Bounds:
    """Lowest and highest legal value of each action dimension.

    Attributes:
        low: Lowest values, (A,).
        high: Highest values, (A,).
        center: Middle of the range, (A,).
        half_range: Half the width of the range, the unit of standard deviations, (A,).
    """

    def __init__(
        self,
        low: ArrayLike | Tensor,
        high: ArrayLike | Tensor,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        """Take the bounds in.

        Args:
            low: Lowest values, (A,), finite.
            high: Highest values, (A,), finite, each above its lowest.
            device: Where sequences will live.

        Raises:
            ShapeError: If the two are not vectors of one length.
            SpaceError: If a bound is not finite, or not above its lowest value.
        """
        # Copies, because the caller may change its own arrays later.
        self.low = torch.as_tensor(low, dtype=torch.float32, device=device).clone()
        self.high = torch.as_tensor(high, dtype=torch.float32, device=device).clone()
        self._check()
        self.center = 0.5 * self.low + 0.5 * self.high
        self.half_range = 0.5 * self.high - 0.5 * self.low
        self._tiles: dict[int, tuple[Tensor, Tensor]] = {}

    def __len__(self) -> int:
        """Count the action dimensions A."""
        return len(self.low)

    def clip(self, sequences: Tensor) -> Tensor:
        """Bring sequences into the bounds.

        Args:
            sequences: Sequences (..., T, A).

        Returns:
            Clipped copies (..., T, A).
        """
        return torch.clamp(sequences, *self._tile(sequences.shape[-2]))

    def clip_(self, sequences: Tensor) -> Tensor:
        """Bring sequences into the bounds, in place.

        Args:
            sequences: Sequences (..., T, A).

        Returns:
            The same tensor.
        """
        return sequences.clamp_(*self._tile(sequences.shape[-2]))

    def _tile(self, horizon: int) -> tuple[Tensor, Tensor]:
        # Comparing whole sequences is three times faster than broadcasting over an
        # innermost dimension as short as an action.
        if horizon not in self._tiles:
            self._tiles[horizon] = (
                self.low.repeat(horizon, 1),
                self.high.repeat(horizon, 1),
            )
        return self._tiles[horizon]

    def _check(self) -> None:
        if self.low.ndim != 1 or self.low.shape != self.high.shape or not len(self):
            raise ShapeError(
                "low and high must be vectors of one length, got shapes "
                f"{tuple(self.low.shape)} and {tuple(self.high.shape)}"
            )
        if not (self.low.isfinite() & self.high.isfinite()).all():
            raise SpaceError(
                "bounds must be finite, got "
                f"low {self.low.tolist()} and high {self.high.tolist()}"
            )
        if not (self.low < self.high).all():
            raise SpaceError(
                "low must be below high in each dimension, got "
                f"low {self.low.tolist()} and high {self.high.tolist()}"
            )
