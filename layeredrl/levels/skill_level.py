"""A level that learns skills with which the level above can plan."""

from dataclasses import dataclass, field

import numpy as np
from gymnasium import spaces

from layeredrl.errors import ConfigurationError
from layeredrl.learners import LearnerConfig, SACConfig
from layeredrl.levels.exploration import Exploration
from layeredrl.levels.learning_schedule import LearningSchedule
from layeredrl.levels.level import Level, LevelSpec
from layeredrl.levels.running_skill_level import RunningSkillLevel
from layeredrl.objectives import SkillObjective, SPlaTES
from layeredrl.utils.action_sampling import check_bounded


def _plane() -> spaces.Space:
    return spaces.Box(-1.0, 1.0, (2,), np.float32)


@dataclass(frozen=True)
class SkillLevel(Level):
    """Learns a policy per skill, paid by what the level above predicts of the skill.

    The level above has to have a predictor whose encoder neither remembers nor learns, and
    to see the same observations. Decisions are stored without rewards; those are computed with the
    current model whenever decisions are learned from.
    """

    objective: SkillObjective = field(default_factory=SPlaTES)
    """What skills are paid for."""
    learner: LearnerConfig = field(
        default_factory=lambda: SACConfig(hidden_sizes=(64, 64), lr=1e-3, n_steps=5)
    )
    """How the policy learns: off-policy, without memory."""
    skill_space: spaces.Space = field(default_factory=_plane)
    """Space of the skills, a bounded ``Box`` or ``Discrete``."""
    control_interval: int = 10
    """Decisions per skill at most."""
    termination_probability: float = 0.0
    """Chance that a skill ends after a decision before that, [0, 1); in evaluation, too,
    since the level above has learned to expect it."""
    n_value_samples: int = 4
    """Skills over which the value at the end of a skill is averaged, since the next skill
    is not known; 0 to bootstrap as if the skill went on."""
    relabel_ratio: float = 0.5
    """Share of sampled skills that are learned from as if another one had been asked for,
    [0, 1]. Returns of several steps then hold actions that were meant for another skill."""
    exploration: Exploration = field(default_factory=Exploration)
    """When it acts at random instead of asking the policy."""
    learning: LearningSchedule = field(
        default_factory=lambda: LearningSchedule(
            updates_per_env_step=0.5, batch_size=25
        )
    )
    """When and how much it learns; a batch counts whole skills, or stretches of them if
    the learner does not learn from whole ones."""
    freeze_env_steps: int | None = None
    """Environment steps after which skills stay as they are; ``None`` for never."""
    buffer_size: int = 1_000_000
    """Decisions kept for learning, over all instances."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if min(self.control_interval, self.buffer_size) < 1:
            raise ConfigurationError(
                "control_interval and buffer_size must be at least 1, got "
                f"{self.control_interval} and {self.buffer_size}"
            )
        if self.objective.is_stepwise and self.control_interval != 1:
            raise ConfigurationError(
                f"{type(self.objective).__name__} scores single decisions, so the level "
                "above has to decide at each of them: control_interval must be 1, got "
                f"{self.control_interval}; n_repeats of a planner keeps its decisions"
            )
        if not 0.0 <= self.termination_probability < 1.0:
            raise ConfigurationError(
                "termination_probability must be in [0, 1), got "
                f"{self.termination_probability}"
            )
        if not 0.0 <= self.relabel_ratio <= 1.0 or self.n_value_samples < 0:
            raise ConfigurationError(
                "relabel_ratio must be in [0, 1] and n_value_samples not negative, got "
                f"{self.relabel_ratio} and {self.n_value_samples}"
            )
        if self.freeze_env_steps is not None and self.freeze_env_steps < 0:
            raise ConfigurationError(
                f"freeze_env_steps must not be negative, got {self.freeze_env_steps}"
            )
        check_bounded(self.skill_space)

    def input_space(self, action_space_below: spaces.Space) -> spaces.Space | None:
        """Take skills."""
        return self.skill_space

    def build(self, spec: LevelSpec) -> RunningSkillLevel:
        """Build the running level."""
        return RunningSkillLevel(spec, self)
