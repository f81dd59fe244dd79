"""Off-policy actor-critics of Tianshou, for continuous actions."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from tianshou.algorithm.algorithm_base import Algorithm
from tianshou.algorithm.modelfree.ddpg import DDPG
from tianshou.algorithm.modelfree.redq import REDQ
from tianshou.algorithm.modelfree.sac import SAC, AutoAlpha
from tianshou.algorithm.modelfree.td3 import TD3
from tianshou.data import Batch

from layeredrl.errors import ConfigurationError
from layeredrl.learners.learner import LearnerSpec
from layeredrl.learners.tianshou.networks import (
    action_critic,
    deterministic_actor,
    gaussian_actor,
)
from layeredrl.learners.tianshou.off_policy import OffPolicyConfig
from layeredrl.learners.tianshou.policies import (
    DeterministicPolicy,
    EnsembleGaussianPolicy,
    SquashedGaussianPolicy,
    unit_box,
)
from layeredrl.utils.schedules import Schedule, as_schedule


@dataclass(frozen=True)
class ActorCriticConfig(OffPolicyConfig):
    """What off-policy actor-critics have in common."""

    tau: float = 0.005
    """Share by which target networks move towards the learned ones per update, in [0, 1]."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        if not 0.0 <= self.tau <= 1.0:
            raise ConfigurationError(f"tau must be in [0, 1], got {self.tau}")

    def _shared(self) -> dict[str, Any]:
        return {
            "policy_optim": self.optimizer(),
            "critic_optim": self.optimizer(),
            "tau": self.tau,
            "gamma": self.gamma,
        }


@dataclass(frozen=True)
class EntropyConfig(ActorCriticConfig):
    """What actor-critics have in common that are paid for entropy."""

    alpha: float | None = None
    """Weight of the entropy; ``None`` to learn it."""

    def _alpha(self, n_actions: int) -> AutoAlpha | float:
        if self.alpha is not None:
            return float(self.alpha)
        return AutoAlpha(self._target(n_actions), 0.0, self.optimizer())

    @abstractmethod
    def _target(self, n_actions: int) -> float:
        """Say which entropy a learned ``alpha`` aims at."""


@dataclass(frozen=True)
class _ContinuousEntropyConfig(EntropyConfig):
    target_entropy: float | None = None
    """Entropy that a learned ``alpha`` aims at; ``None`` for minus the action features."""

    def _target(self, n_actions: int) -> float:
        return float(-n_actions if self.target_entropy is None else self.target_entropy)


@dataclass(frozen=True)
class SACConfig(_ContinuousEntropyConfig):
    """Soft actor-critic (Haarnoja et al. 2018)."""

    def algorithm(self, spec: LearnerSpec) -> Algorithm:
        """Build the algorithm."""
        dims = self.continuous_dims(spec)
        policy = SquashedGaussianPolicy(
            actor=gaussian_actor(*dims, self.hidden_sizes),
            action_space=unit_box(dims[1]),
        )
        return SAC(
            policy=policy,
            critic=action_critic(*dims, self.hidden_sizes),
            critic2=action_critic(*dims, self.hidden_sizes),
            alpha=self._alpha(dims[1]),
            **self._shared(),
        )


@dataclass(frozen=True)
class REDQConfig(_ContinuousEntropyConfig):
    """Randomised ensembled double Q-learning (Chen et al. 2021)."""

    n_critics: int = 10
    """Members of the critic ensemble."""
    n_target_critics: int = 2
    """Members drawn for each target, of which the smallest value counts."""
    actor_delay: int = 20
    """Updates of the critics per update of the actor."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        if not 1 <= self.n_target_critics <= self.n_critics or self.actor_delay < 1:
            raise ConfigurationError(
                "n_target_critics must be in 1 .. n_critics and actor_delay at least 1, "
                f"got {self.n_target_critics}, {self.n_critics} and {self.actor_delay}"
            )

    def algorithm(self, spec: LearnerSpec) -> Algorithm:
        """Build the algorithm."""
        dims = self.continuous_dims(spec)
        policy = EnsembleGaussianPolicy(
            actor=gaussian_actor(*dims, self.hidden_sizes),
            action_space=unit_box(dims[1]),
        )
        return REDQ(
            policy=policy,
            critic=action_critic(*dims, self.hidden_sizes, self.n_critics),
            ensemble_size=self.n_critics,
            subset_size=self.n_target_critics,
            actor_delay=self.actor_delay,
            alpha=self._alpha(dims[1]),
            **self._shared(),
        )


@dataclass(frozen=True)
class DDPGConfig(ActorCriticConfig):
    """Deep deterministic policy gradient (Lillicrap et al. 2016)."""

    exploration_noise: Schedule | float = 0.1
    """Standard deviation of the noise on actions while exploring, in half ranges, over the
    decisions taken so far."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        if not 0.0 <= self._noise()(0) < np.inf:
            raise ConfigurationError(
                f"exploration_noise must not be negative, got {self.exploration_noise}"
            )

    def algorithm(self, spec: LearnerSpec) -> Algorithm:
        """Build the algorithm."""
        dims = self.continuous_dims(spec)
        return DDPG(
            policy=self._policy(*dims),
            critic=action_critic(*dims, self.hidden_sizes),
            **self._shared(),
        )

    def _noise(self) -> Schedule:
        return as_schedule(self.exploration_noise)

    def _policy(self, obs_dim: int, n_actions: int) -> DeterministicPolicy:
        return DeterministicPolicy(
            actor=deterministic_actor(obs_dim, n_actions, self.hidden_sizes),
            action_space=unit_box(n_actions),
        )


class _BoundedTD3(TD3):
    """Keeps noisy target actions in the unit box, as the paper does."""

    def _target_q_compute_action(self, obs_batch: Batch) -> Any:
        actions: Any = super()._target_q_compute_action(obs_batch)
        actions.act = actions.act.clamp(-1.0, 1.0)
        return actions


@dataclass(frozen=True)
class TD3Config(DDPGConfig):
    """Twin delayed deep deterministic policy gradient (Fujimoto et al. 2018)."""

    target_noise: float = 0.2
    """Standard deviation of the noise on target actions, in half ranges."""
    target_noise_clip: float = 0.5
    """Largest noise on target actions."""
    actor_delay: int = 2
    """Updates of the critics per update of the actor."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        if min(self.target_noise, self.target_noise_clip) < 0 or self.actor_delay < 1:
            raise ConfigurationError(
                "target_noise and target_noise_clip must not be negative and "
                f"actor_delay at least 1, got {self.target_noise}, "
                f"{self.target_noise_clip} and {self.actor_delay}"
            )

    def algorithm(self, spec: LearnerSpec) -> Algorithm:
        """Build the algorithm."""
        dims = self.continuous_dims(spec)
        return _BoundedTD3(
            policy=self._policy(*dims),
            critic=action_critic(*dims, self.hidden_sizes),
            critic2=action_critic(*dims, self.hidden_sizes),
            policy_noise=self.target_noise,
            noise_clip=self.target_noise_clip,
            update_actor_freq=self.actor_delay,
            **self._shared(),
        )
