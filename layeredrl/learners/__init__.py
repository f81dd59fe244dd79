"""Learners: how a level learns to act from its replayed decisions."""

from layeredrl.learners.learner import Learner, LearnerConfig, LearnerSpec, Situation
from layeredrl.learners.sequence.actor_critic import SequenceActorCritic
from layeredrl.learners.sequence.config import SequenceActorCriticConfig
from layeredrl.learners.tdmpc2.config import TDMPC2Config
from layeredrl.learners.tdmpc2.learner import TDMPC2Learner
from layeredrl.learners.tianshou.actor_critics import (
    DDPGConfig,
    REDQConfig,
    SACConfig,
    TD3Config,
)
from layeredrl.learners.tianshou.config import TianshouConfig
from layeredrl.learners.tianshou.discrete import DiscreteSACConfig, DQNConfig
from layeredrl.learners.tianshou.learner import TianshouLearner
from layeredrl.learners.tianshou.off_policy_learner import OffPolicyLearner
from layeredrl.learners.tianshou.on_policy import A2CConfig, PPOConfig
from layeredrl.learners.tianshou.on_policy_learner import OnPolicyLearner

__all__ = [
    "A2CConfig",
    "DDPGConfig",
    "DQNConfig",
    "DiscreteSACConfig",
    "Learner",
    "LearnerConfig",
    "LearnerSpec",
    "OffPolicyLearner",
    "OnPolicyLearner",
    "PPOConfig",
    "REDQConfig",
    "SACConfig",
    "SequenceActorCritic",
    "SequenceActorCriticConfig",
    "Situation",
    "TD3Config",
    "TDMPC2Config",
    "TDMPC2Learner",
    "TianshouConfig",
    "TianshouLearner",
]
