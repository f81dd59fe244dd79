"""Tianshou's policies over the unit box, built without a pause to compile."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from tianshou.algorithm.modelfree.ddpg import ContinuousDeterministicPolicy
from tianshou.algorithm.modelfree.discrete_sac import DiscreteSACPolicy
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.modelfree.redq import REDQPolicy
from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
from tianshou.algorithm.modelfree.sac import SACPolicy
from torch.distributions import Beta, Categorical, Distribution, Independent

_MARGIN = 1e-6


class _Uncompiled:
    """Skips the warm-up of numba functions that are not used here; it takes seconds."""

    @staticmethod
    def _compile() -> None:
        """Do nothing."""


class SquashedGaussianPolicy(_Uncompiled, SACPolicy):
    """Policy of SAC."""


class EnsembleGaussianPolicy(_Uncompiled, REDQPolicy):
    """Policy of REDQ."""


class DeterministicPolicy(_Uncompiled, ContinuousDeterministicPolicy):
    """Policy of DDPG and TD3."""


class GreedyPolicy(_Uncompiled, DiscreteQLearningPolicy):
    """Policy of DQN."""


class CategoricalPolicy(_Uncompiled, DiscreteSACPolicy):
    """Policy of SAC with discrete actions."""


class StochasticPolicy(_Uncompiled, ProbabilisticActorPolicy):
    """Policy of PPO and A2C."""


class UnitBeta(Independent):
    """Beta distributions stretched to [-1, 1], one per action feature.

    Bounded like the actions, so that none is clipped behind the policy's back (Chou et al.
    2017). A constant factor of the density is left out.
    """

    def __init__(self, concentration1: torch.Tensor, concentration0: torch.Tensor):
        """Set the two concentrations.

        Args:
            concentration1: Above 1, (..., A).
            concentration0: Above 1, (..., A).
        """
        super().__init__(Beta(concentration1, concentration0, validate_args=False), 1)

    @property
    def mode(self) -> torch.Tensor:
        """Most likely action (..., A)."""
        return 2.0 * super().mode - 1.0

    def rsample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """Draw actions, differentiably."""
        return 2.0 * super().rsample(sample_shape) - 1.0

    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """Draw actions."""
        return 2.0 * super().sample(sample_shape) - 1.0

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """Logarithm of the density of actions (..., A)."""
        share = (0.5 * (value + 1.0)).clamp(_MARGIN, 1.0 - _MARGIN)
        return super().log_prob(share)


def categorical_distribution(logits: torch.Tensor) -> Distribution:
    """Make the distribution of choices.

    Args:
        logits: What the actor returns, (B, A).

    Returns:
        The distribution.
    """
    return Categorical(logits=logits, validate_args=False)


def unit_box(dim: int) -> spaces.Box:
    """Make the space in which policies act.

    Args:
        dim: Action features A.

    Returns:
        The box [-1, 1]^A.
    """
    return spaces.Box(-1.0, 1.0, (dim,), np.float32)
