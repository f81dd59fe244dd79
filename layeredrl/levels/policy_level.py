"""A level whose policy is learned."""

from dataclasses import dataclass, field

from gymnasium import spaces

from layeredrl.errors import ConfigurationError
from layeredrl.learners import LearnerConfig, SACConfig
from layeredrl.levels.exploration import Exploration
from layeredrl.levels.learning_schedule import LearningSchedule
from layeredrl.levels.level import Level, LevelSpec
from layeredrl.levels.running_policy_level import RunningPolicyLevel
from layeredrl.objectives import EnvironmentReward, Objective
from layeredrl.predictors.hindsight import Hindsight


@dataclass(frozen=True)
class PolicyLevel(Level):
    """Learns a policy from its own semi-MDP transitions, at any place in a hierarchy.

    What it is asked to do, and what that pays, is the objective's; how it learns, the
    learner's. The policy sees the level's observation and what it is asked to do.
    """

    learner: LearnerConfig = field(default_factory=SACConfig)
    """How the policy learns."""
    objective: Objective = field(default_factory=EnvironmentReward)
    """What it can be asked to do, and what is paid for it."""
    n_decisions: int = 1
    """Decisions per input from above, at least 1; the objective may end them earlier."""
    hindsight: Hindsight | None = None
    """How sampled experience is relabelled with other goals; ``None`` for the objective's
    own way, if it has one."""
    exploration: Exploration | None = None
    """When it acts at random instead of asking the policy. ``None`` for never if the
    learner is on-policy, else for the first steps only."""
    learning: LearningSchedule | None = None
    """When and how much it learns. On-policy learners learn once per interval, from
    everything since the last time. ``None`` for the schedule's defaults, or intervals of
    2,048 steps if the learner is on-policy."""
    buffer_size: int = 1_000_000
    """Decisions kept for learning, over all instances."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if not (self.n_decisions >= 1 and self.buffer_size >= 1):
            raise ConfigurationError(
                "n_decisions and buffer_size must be at least 1, got "
                f"{self.n_decisions} and {self.buffer_size}"
            )

    @property
    def control_interval(self) -> int:
        """Take this many decisions per input."""
        return self.n_decisions

    def input_space(self, action_space_below: spaces.Space) -> spaces.Space | None:
        """Take what the objective can ask for."""
        return self.objective.input_space

    def build(self, spec: LevelSpec) -> RunningPolicyLevel:
        """Build the running level."""
        return RunningPolicyLevel(spec, self)
