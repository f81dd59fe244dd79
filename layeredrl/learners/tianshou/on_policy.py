"""On-policy algorithms of Tianshou, for continuous and discrete actions."""

from dataclasses import dataclass
from typing import Any

from gymnasium import spaces
from tianshou.algorithm.algorithm_base import Algorithm
from tianshou.algorithm.modelfree.a2c import A2C
from tianshou.algorithm.modelfree.ppo import PPO
from torch import nn

from layeredrl.errors import ConfigurationError
from layeredrl.learners.learner import Learner, LearnerSpec
from layeredrl.learners.tianshou.config import TianshouConfig
from layeredrl.learners.tianshou.networks import BetaActor, choice_net, state_critic
from layeredrl.learners.tianshou.on_policy_learner import OnPolicyLearner
from layeredrl.learners.tianshou.policies import (
    StochasticPolicy,
    UnitBeta,
    categorical_distribution,
    unit_box,
)


@dataclass(frozen=True)
class A2CConfig(TianshouConfig):
    """Advantage actor-critic (Mnih et al. 2016).

    Continuous actions are Beta distributed between their bounds (Chou et al. 2017).
    """

    gae_lambda: float = 0.95
    """Weight of longer returns in the advantages, in [0, 1] (Schulman et al. 2016)."""
    n_epochs: int = 1
    """Passes over the fresh experience."""
    minibatch_size: int | None = None
    """Decisions per gradient step; ``None`` for all at once."""
    value_weight: float = 0.5
    """Weight of the critic's loss."""
    entropy_weight: float = 0.01
    """Weight of the entropy bonus."""
    max_grad_norm: float | None = 0.5
    """Norm to which gradients are clipped; ``None`` for none."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        if not 0.0 <= self.gae_lambda <= 1.0:
            raise ConfigurationError(
                f"gae_lambda must be in [0, 1], got {self.gae_lambda}"
            )
        is_empty = self.minibatch_size is not None and self.minibatch_size < 1
        if self.n_epochs < 1 or is_empty:
            raise ConfigurationError(
                "n_epochs and minibatch_size must be at least 1, got "
                f"{self.n_epochs} and {self.minibatch_size}"
            )

    def build(self, spec: LearnerSpec) -> Learner:
        """Build the learner."""
        return OnPolicyLearner(
            spec,
            self.algorithm,
            self.gamma,
            self.gae_lambda,
            self.n_epochs,
            self.minibatch_size,
        )

    def algorithm(self, spec: LearnerSpec) -> Algorithm:
        """Build the algorithm."""
        return A2C(**self._shared(spec))

    def _shared(self, spec: LearnerSpec) -> dict[str, Any]:
        return {
            "policy": self._policy(spec),
            "critic": state_critic(spec.vector_dim(), self.hidden_sizes),
            "optim": self.optimizer(),
            "vf_coef": self.value_weight,
            "ent_coef": self.entropy_weight,
            "max_grad_norm": self.max_grad_norm,
            "gae_lambda": self.gae_lambda,
            "gamma": self.gamma,
        }

    def _policy(self, spec: LearnerSpec) -> StochasticPolicy:
        actor: Any
        if isinstance(spec.action_space, spaces.Discrete):
            dims = self.discrete_dims(spec)
            actor = choice_net(*dims, self.hidden_sizes, nn.Tanh)
            return StochasticPolicy(
                actor=actor,
                dist_fn=categorical_distribution,
                deterministic_eval=True,
                action_space=spaces.Discrete(dims[1]),
                action_scaling=False,
            )
        dims = self.continuous_dims(spec)
        actor = BetaActor(*dims, self.hidden_sizes)
        return StochasticPolicy(
            actor=actor,
            dist_fn=lambda concentrations: UnitBeta(*concentrations),
            deterministic_eval=True,
            action_space=unit_box(dims[1]),
        )


@dataclass(frozen=True)
class PPOConfig(A2CConfig):
    """Proximal policy optimisation (Schulman et al. 2017)."""

    n_epochs: int = 10
    """Passes over the fresh experience."""
    minibatch_size: int | None = 64
    """Decisions per gradient step; ``None`` for all at once."""
    entropy_weight: float = 0.0
    """Weight of the entropy bonus."""
    clip_range: float = 0.2
    """How far the ratio of probabilities may go from 1 before it stops paying."""
    normalizes_advantages: bool = True
    """Whether advantages are standardised in each minibatch."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        if self.clip_range <= 0.0:
            raise ConfigurationError(
                f"clip_range must be positive, got {self.clip_range}"
            )
        if self.normalizes_advantages and self.minibatch_size == 1:
            raise ConfigurationError(
                "a single advantage cannot be standardised: minibatch_size must be at "
                "least 2, got 1"
            )

    def algorithm(self, spec: LearnerSpec) -> Algorithm:
        """Build the algorithm."""
        return PPO(
            **self._shared(spec),
            eps_clip=self.clip_range,
            advantage_normalization=self.normalizes_advantages,
        )
