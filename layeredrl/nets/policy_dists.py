"""From the numbers a policy network emits to a distribution over actions.

Legend of these pages: G number of gammas, A action features, M mixture modes.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import gin
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution

from layeredrl.nets.action_distributions import (
    DiscreteLikeContinuous,
    IndexCategorical,
    ScaledBeta,
    TanhGMM,
    TanhNormal,
    softplus_bounded_positive,
    tanh_bounded_positive,
)
from layeredrl.nets.utils import log_activations

__all__ = [
    "Beta",
    "Discrete",
    "DiscreteLikeContinuous",
    "GMM",
    "Multibinary",
    "PolicyOutput",
    "TanhGaussian",
    "softplus_bounded_positive",
    "tanh_bounded_positive",
]

BoundedPositive = Callable[..., Tensor]
"""Maps raw numbers, a lower and an upper bound (may be ``None``) to positive numbers."""


class PolicyOutput(ABC):
    """Base of the maps from a network's output to an action distribution.

    Called with a vector (..., G, input_dimension); has no parameters of its own.
    """

    def __init__(self, d_action: int) -> None:
        """Choose the number of action features.

        Args:
            d_action: Action features; for discrete actions the number of choices.
        """
        self.d_action = d_action

    @property
    @abstractmethod
    def input_dimension(self) -> int:
        """How many numbers the network must emit per action."""

    @property
    @abstractmethod
    def is_discrete(self) -> bool:
        """Whether actions are one of several choices."""

    @property
    @abstractmethod
    def actions_differentiable(self) -> bool:
        """Whether gradients can pass through drawn actions."""

    @abstractmethod
    def forward(self, vec: Tensor, log_dict: dict | None = None) -> Distribution:
        """Build the distribution.

        Args:
            vec: The network's output, (..., G, input_dimension), at least float32.
            log_dict: Receives 0-dim tensors worth logging, if given.

        Returns:
            A distribution over actions (..., G, A).
        """

    def __call__(self, vec: Tensor, log_dict: dict | None = None) -> Distribution:
        """Build the distribution, in at least float32."""
        precise = vec.to(torch.promote_types(vec.dtype, torch.float32))
        return self.forward(precise, log_dict=log_dict)


@gin.configurable
class Discrete(PolicyOutput):
    """One of several choices, with probabilities kept away from zero and one."""

    is_discrete = True
    actions_differentiable = True

    def __init__(
        self,
        d_action: int,
        clip_prob_low: float = 0.001,
        clip_prob_high: float = 0.99,
    ) -> None:
        """Choose the bounds.

        Args:
            d_action: Number of choices.
            clip_prob_low: Least probability, before renormalisation.
            clip_prob_high: Greatest probability, before renormalisation.
        """
        super().__init__(d_action)
        self.clip_prob_low, self.clip_prob_high = clip_prob_low, clip_prob_high

    @property
    def input_dimension(self) -> int:
        """One number per choice."""
        return self.d_action

    def forward(self, vec: Tensor, log_dict: dict | None = None) -> Distribution:
        """Build the distribution."""
        probs = vec.softmax(-1)
        log_activations(log_dict, "Discrete-probs", probs)
        clipped = probs.clamp(self.clip_prob_low, self.clip_prob_high)
        return IndexCategorical(probs=clipped / clipped.sum(-1, keepdim=True))


@gin.configurable
class TanhGaussian(PolicyOutput):
    """The tanh of independent normals."""

    is_discrete = False
    actions_differentiable = True

    def __init__(
        self,
        d_action: int,
        std_low: float = math.exp(-5.0),
        std_high: float = math.exp(2.0),
        std_activation: BoundedPositive = tanh_bounded_positive,
        clip_actions_on_log_prob: tuple[float, float] = (-0.99, 0.99),
    ) -> None:
        """Choose the bounds.

        Args:
            d_action: Action features.
            std_low: Least standard deviation before the tanh.
            std_high: Greatest standard deviation before the tanh.
            std_activation: Maps raw numbers into these bounds.
            clip_actions_on_log_prob: Range to which actions are clipped before they are
                scored.
        """
        super().__init__(d_action)
        self.std_low, self.std_high = std_low, std_high
        self.std_activation = std_activation
        self.clip_actions_on_log_prob = clip_actions_on_log_prob

    @property
    def input_dimension(self) -> int:
        """Mean and raw deviation per feature: 2 A."""
        return 2 * self.d_action

    def forward(self, vec: Tensor, log_dict: dict | None = None) -> Distribution:
        """Build the distribution; means come first in ``vec``."""
        mu, raw_std = vec.chunk(2, -1)
        std = self.std_activation(raw_std, self.std_low, self.std_high)
        log_activations(log_dict, "TanhGaussian-mu", mu)
        log_activations(log_dict, "TanhGaussian-std", std)
        log_activations(log_dict, "TanhGaussian-raw_std", raw_std)
        return TanhNormal(mu, std, self.clip_actions_on_log_prob)


@gin.configurable
class GMM(PolicyOutput):
    """The tanh of a mixture of diagonal normals."""

    is_discrete = False
    actions_differentiable = False

    def __init__(
        self,
        d_action: int,
        gmm_modes: int = 5,
        std_low: float = 1e-4,
        std_high: float | None = None,
        std_activation: BoundedPositive = softplus_bounded_positive,
    ) -> None:
        """Choose the modes and bounds.

        Args:
            d_action: Action features.
            gmm_modes: Number of modes.
            std_low: Least standard deviation before the tanh.
            std_high: Greatest standard deviation before the tanh; ``None`` is without.
            std_activation: Maps raw numbers into these bounds.
        """
        super().__init__(d_action)
        self.gmm_modes = gmm_modes
        self.std_low, self.std_high = std_low, std_high
        self.std_activation = std_activation

    @property
    def input_dimension(self) -> int:
        """Means, raw deviations and weights: 2 M A + M."""
        return 2 * self.gmm_modes * self.d_action + self.gmm_modes

    def forward(self, vec: Tensor, log_dict: dict | None = None) -> Distribution:
        """Build the distribution; ``vec`` holds means, raw deviations, then weights."""
        per_mode = self.gmm_modes * self.d_action
        means, raw_std, logits = vec.split((per_mode, per_mode, self.gmm_modes), -1)
        means = means.unflatten(-1, (self.gmm_modes, self.d_action))
        raw_std = raw_std.unflatten(-1, (self.gmm_modes, self.d_action))
        stds = self.std_activation(raw_std, self.std_low, self.std_high)
        log_activations(log_dict, "GMM-means", means)
        log_activations(log_dict, "GMM-raw_std", raw_std)
        log_activations(log_dict, "GMM-stds", stds)
        log_activations(log_dict, "GMM-logits", logits)
        return TanhGMM(means, stds, logits)


@gin.configurable
class Beta(PolicyOutput):
    """Independent beta distributions, stretched to [-1, 1]."""

    is_discrete = False
    actions_differentiable = True

    def __init__(
        self,
        d_action: int,
        alpha_low: float = 1.0001,
        alpha_high: float | None = None,
        beta_low: float = 1.0001,
        beta_high: float | None = None,
        std_activation: BoundedPositive = softplus_bounded_positive,
        clip_actions_on_log_prob: tuple[float, float] = (-0.99, 0.99),
    ) -> None:
        """Choose the bounds.

        Args:
            d_action: Action features.
            alpha_low: Least first concentration.
            alpha_high: Greatest first concentration; ``None`` is without.
            beta_low: Least second concentration.
            beta_high: Greatest second concentration; ``None`` is without.
            std_activation: Maps raw numbers into these bounds.
            clip_actions_on_log_prob: Range to which actions are clipped before they are
                scored.
        """
        super().__init__(d_action)
        self.alpha_low, self.alpha_high = alpha_low, alpha_high
        self.beta_low, self.beta_high = beta_low, beta_high
        self.std_activation = std_activation
        self.clip_actions_on_log_prob = clip_actions_on_log_prob

    @property
    def input_dimension(self) -> int:
        """Two raw concentrations per feature: 2 A."""
        return 2 * self.d_action

    def forward(self, vec: Tensor, log_dict: dict | None = None) -> Distribution:
        """Build the distribution; first concentrations come first in ``vec``."""
        raw_alpha, raw_beta = vec.chunk(2, -1)
        alpha = self.std_activation(raw_alpha, self.alpha_low, self.alpha_high)
        beta = self.std_activation(raw_beta, self.beta_low, self.beta_high)
        log_activations(log_dict, "Beta-alpha", alpha)
        log_activations(log_dict, "Beta-beta", beta)
        return ScaledBeta(alpha, beta, self.clip_actions_on_log_prob)


@gin.configurable
class Multibinary(PolicyOutput):
    """Independent switches."""

    is_discrete = False
    actions_differentiable = False

    @property
    def input_dimension(self) -> int:
        """Log odds per switch."""
        return self.d_action

    def forward(self, vec: Tensor, log_dict: dict | None = None) -> Distribution:
        """Build the distribution; ``vec`` holds log odds."""
        return Bernoulli(logits=vec)
