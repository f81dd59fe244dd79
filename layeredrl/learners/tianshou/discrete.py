"""Off-policy algorithms of Tianshou for discrete actions."""

from dataclasses import dataclass

import numpy as np
from tianshou.algorithm.algorithm_base import Algorithm
from tianshou.algorithm.modelfree.discrete_sac import DiscreteSAC
from tianshou.algorithm.modelfree.dqn import DQN
from tianshou.algorithm.modelfree.sac import AutoAlpha

from layeredrl.errors import ConfigurationError
from layeredrl.learners.learner import Learner, LearnerSpec
from layeredrl.learners.tianshou.actor_critics import ActorCriticConfig
from layeredrl.learners.tianshou.config import TianshouConfig
from layeredrl.learners.tianshou.networks import choice_critic, choice_net
from layeredrl.learners.tianshou.off_policy_learner import OffPolicyLearner
from layeredrl.learners.tianshou.policies import (
    CategoricalPolicy,
    GreedyPolicy,
    choices,
)
from layeredrl.utils.schedules import Schedule, as_schedule


@dataclass(frozen=True)
class DQNConfig(TianshouConfig):
    """Deep Q-learning with double targets (Mnih et al. 2015, van Hasselt et al. 2016)."""

    n_steps: int = 1
    """Rewards per return, at least 1."""
    target_update_interval: int = 200
    """Updates between two copies of the network to the target network, at least 1."""
    is_double: bool = True
    """Whether the learned network chooses the action whose target value counts."""
    epsilon: Schedule | float = 0.1
    """Share of random decisions while exploring, over the decisions taken so far."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        if min(self.n_steps, self.target_update_interval) < 1:
            raise ConfigurationError(
                "n_steps and target_update_interval must be at least 1, got "
                f"{self.n_steps} and {self.target_update_interval}"
            )
        if not 0.0 <= as_schedule(self.epsilon)(0) <= 1.0:
            raise ConfigurationError(f"epsilon must be in [0, 1], got {self.epsilon}")

    def build(self, spec: LearnerSpec) -> Learner:
        """Build the learner."""
        return OffPolicyLearner(
            spec,
            self.algorithm,
            self.gamma,
            self.n_steps,
            noise=as_schedule(self.epsilon),
        )

    def algorithm(self, spec: LearnerSpec) -> Algorithm:
        """Build the algorithm."""
        dims = self.discrete_dims(spec)
        return DQN(
            policy=GreedyPolicy(
                model=choice_net(*dims, self.hidden_sizes),
                action_space=choices(dims[1]),
            ),
            optim=self.optimizer(),
            gamma=self.gamma,
            target_update_freq=self.target_update_interval,
            is_double=self.is_double,
        )


@dataclass(frozen=True)
class DiscreteSACConfig(ActorCriticConfig):
    """Soft actor-critic over discrete actions (Christodoulou 2019)."""

    alpha: float | None = None
    """Weight of the entropy; ``None`` to learn it."""
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
        alpha: AutoAlpha | float
        if self.alpha is None:
            target = self.target_entropy_share * float(np.log(dims[1]))
            alpha = AutoAlpha(target, 0.0, self.optimizer())
        else:
            alpha = float(self.alpha)
        return DiscreteSAC(
            policy=CategoricalPolicy(
                actor=choice_net(*dims, self.hidden_sizes),
                action_space=choices(dims[1]),
            ),
            critic=choice_critic(*dims, self.hidden_sizes),
            critic2=choice_critic(*dims, self.hidden_sizes),
            alpha=alpha,
            **self._shared(),
        )
