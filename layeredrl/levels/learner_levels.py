"""Policy levels by the name of their learner."""

from dataclasses import dataclass, field

from layeredrl.learners import (
    LearnerConfig,
    SACConfig,
    SequenceActorCriticConfig,
    TDMPC2Config,
)
from layeredrl.levels.learning_schedule import LearningSchedule
from layeredrl.levels.policy_level import PolicyLevel


@dataclass(frozen=True)
class TianshouLevel(PolicyLevel):
    """A policy level that learns with an algorithm of Tianshou."""

    learner: LearnerConfig = field(default_factory=SACConfig)
    """Which one, for example ``PPOConfig()`` or ``DQNConfig()``."""


@dataclass(frozen=True)
class TDMPC2Level(PolicyLevel):
    """A policy level that learns a world model and searches in it (TD-MPC2)."""

    learner: LearnerConfig = field(default_factory=TDMPC2Config)
    """Sizes, rates and search."""


@dataclass(frozen=True)
class ActorCriticLevel(PolicyLevel):
    """A policy level that remembers its episode (AMAGO)."""

    learner: LearnerConfig = field(default_factory=SequenceActorCriticConfig)
    """Networks, discounts and losses."""
    learning: LearningSchedule | None = field(
        default_factory=lambda: LearningSchedule(
            updates_per_env_step=0.1, batch_size=32
        )
    )
    """When and how much it learns; a batch counts whole sequences."""
