"""The contract of all planners."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from torch import Tensor

from layeredrl.types import Plan


class Planner(ABC):
    """Turns latent states into plans, for many environment instances at once.

    A planner may remember each instance's last plan to start the next search from it.
    It never calls the encoder.

    Attributes:
        n_repeats: Decisions for which each action of a plan is to be kept.
        n_followed: Actions of a plan that are to be carried out before the next call.
    """

    n_repeats: int = 1
    n_followed: int = 1

    @abstractmethod
    def plan(self, state: Tensor, context: Tensor, active: np.ndarray) -> Plan:
        """Plan for some of the instances.

        Args:
            state: Their latent states (B, Z).
            context: Their contexts (B, C).
            active: Which instances they are, (B,) int64, each at most once.

        Returns:
            One plan per row.
        """

    @abstractmethod
    def reset(self, instances: np.ndarray) -> None:
        """Forget the last plans of some instances.

        Args:
            instances: Which ones, (B,) int64.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes: plans in flight and generators.

        Returns:
            Tensors and plain values.
        """

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
