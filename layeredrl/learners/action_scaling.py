"""Between the units of an action space and the unit box in which policies act."""

import torch
from gymnasium import spaces
from torch import Tensor

from layeredrl.errors import SpaceError
from layeredrl.utils.spaces import inner_bounds


class ActionScaling:
    """Maps bounded ``Box`` actions to [-1, 1] and back.

    Attributes:
        low: Lower bounds in float32, (A,).
        high: Upper bounds, (A,).
    """

    def __init__(self, space: spaces.Space, device: torch.device):
        """Read the bounds.

        Args:
            space: The action space.
            device: Where actions will be.

        Raises:
            SpaceError: If it is no bounded ``Box``.
        """
        if not isinstance(space, spaces.Box) or not space.is_bounded():
            raise SpaceError(f"this learner needs bounded Box actions, got {space}")
        low, high = inner_bounds(space)
        self.low = torch.from_numpy(low).to(device)
        self.high = torch.from_numpy(high).to(device)
        self._center = 0.5 * (self.high + self.low)
        self._half_range = (0.5 * (self.high - self.low)).clamp(min=1e-8)

    def to_unit(self, action: Tensor) -> Tensor:
        """Map actions to the unit box.

        Args:
            action: In the units of the space, (..., A).

        Returns:
            In [-1, 1], (..., A).
        """
        return ((action - self._center) / self._half_range).clamp(-1.0, 1.0)

    def from_unit(self, action: Tensor) -> Tensor:
        """Map actions from the unit box; what lies outside is clipped.

        Args:
            action: (..., A).

        Returns:
            In the units of the space and inside it, (..., A).
        """
        scaled = self._center + self._half_range * action
        return torch.minimum(torch.maximum(scaled, self.low), self.high)
