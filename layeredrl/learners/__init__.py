"""Learners: how a level learns to act from its replayed decisions."""

from layeredrl.learners.learner import Learner, LearnerConfig, LearnerSpec, Situation
from layeredrl.learners.sequence_actor_critic import SequenceActorCritic
from layeredrl.learners.sequence_config import SequenceActorCriticConfig
from layeredrl.learners.tdmpc2_config import TDMPC2Config
from layeredrl.learners.tdmpc2_learner import TDMPC2Learner
from layeredrl.learners.tianshou_actor_critics import (
    DDPGConfig,
    REDQConfig,
    SACConfig,
    TD3Config,
)
from layeredrl.learners.tianshou_config import TianshouConfig
from layeredrl.learners.tianshou_discrete import DiscreteSACConfig, DQNConfig
from layeredrl.learners.tianshou_learner import TianshouLearner
from layeredrl.learners.tianshou_off_policy_learner import OffPolicyLearner
from layeredrl.learners.tianshou_on_policy import A2CConfig, PPOConfig
from layeredrl.learners.tianshou_on_policy_learner import OnPolicyLearner

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
