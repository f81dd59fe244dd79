"""Off-policy algorithms of Tianshou for discrete actions."""

from dataclasses import dataclass

import numpy as np
from gymnasium import spaces
from tianshou.algorithm.algorithm_base import Algorithm
from tianshou.algorithm.modelfree.discrete_sac import DiscreteSAC
from tianshou.algorithm.modelfree.dqn import DQN

from layeredrl.errors import ConfigurationError
from layeredrl.learners.learner import LearnerSpec
from layeredrl.learners.tianshou.actor_critics import EntropyConfig
from layeredrl.learners.tianshou.networks import choice_critic, choice_net
from layeredrl.learners.tianshou.off_policy import OffPolicyConfig
from layeredrl.learners.tianshou.policies import CategoricalPolicy, GreedyPolicy
from layeredrl.utils.schedules import Schedule, as_schedule


@dataclass(frozen=True)
class DQNConfig(OffPolicyConfig):
    """Deep Q-learning with double targets (Mnih et al. 2015, van Hasselt et al. 2016)."""

    target_update_interval: int = 200
    """Updates between two copies of the network to the target network, at least 1."""
    huber_delta: float | None = 1.0
    """Error from which on the loss is linear instead of square; ``None`` for never."""
    is_double: bool = True
    """Whether the learned network chooses the action whose target value counts."""
    epsilon: Schedule | float = 0.1
    """Share of random decisions while exploring, over the decisions taken so far."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        if self.target_update_interval < 1:
            raise ConfigurationError(
                "target_update_interval must be at least 1, got "
                f"{self.target_update_interval}"
            )
        if not 0.0 <= self._noise()(0) <= 1.0:
            raise ConfigurationError(f"epsilon must be in [0, 1], got {self.epsilon}")

    def algorithm(self, spec: LearnerSpec) -> Algorithm:
        """Build the algorithm."""
        dims = self.discrete_dims(spec)
        return DQN(
            policy=GreedyPolicy(
                model=choice_net(*dims, self.hidden_sizes),
                action_space=spaces.Discrete(dims[1]),
            ),
            optim=self.optimizer(),
            gamma=self.gamma,
            target_update_freq=self.target_update_interval,
            is_double=self.is_double,
            huber_loss_delta=self.huber_delta,
        )

    def _noise(self) -> Schedule:
        return as_schedule(self.epsilon)


@dataclass(frozen=True)
class DiscreteSACConfig(EntropyConfig):
    """Soft actor-critic over discrete actions (Christodoulou 2019)."""

    target_entropy_share: float = 0.5
    """Entropy that a learned ``alpha`` aims at, as a share of the largest possible one."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        if not 0.0 <= self.target_entropy_share <= 1.0:
            raise ConfigurationError(
                "target_entropy_share must be in [0, 1], got "
                f"{self.target_entropy_share}"
            )

    def algorithm(self, spec: LearnerSpec) -> Algorithm:
        """Build the algorithm."""
        dims = self.discrete_dims(spec)
        return DiscreteSAC(
            policy=CategoricalPolicy(
                actor=choice_net(*dims, self.hidden_sizes),
                action_space=spaces.Discrete(dims[1]),
            ),
            critic=choice_critic(*dims, self.hidden_sizes),
            critic2=choice_critic(*dims, self.hidden_sizes),
            alpha=self._alpha(dims[1]),
            **self._shared(),
        )

    def _target(self, n_actions: int) -> float:
        return self.target_entropy_share * float(np.log(n_actions))
