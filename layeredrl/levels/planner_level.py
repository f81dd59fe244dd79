"""A level that plans with a predictor it learns."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gymnasium import spaces

from layeredrl.errors import ConfigurationError
from layeredrl.levels.exploration import Exploration
from layeredrl.levels.learning_schedule import LearningSchedule
from layeredrl.levels.level import Level, LevelSpec
from layeredrl.levels.running_planner_level import RunningPlannerLevel
from layeredrl.levels.surprise import Surprise
from layeredrl.planners import CEMPlanner, Planner
from layeredrl.predictors import PredictorFactory


@dataclass(frozen=True)
class PlannerLevel(Level):
    """Learns a predictor from its own semi-MDP transitions and plans with it."""

    predictor_factory: PredictorFactory
    """Builds the predictor for what the level sees and does."""
    partial_planner: Callable[..., Planner] = CEMPlanner
    """Called with ``predictor=, action_space=, n_instances=, seed=``; returns the planner,
    for example ``partial(CEMPlanner, config=PlannerConfig(horizon=10))``."""
    exploration: Exploration = field(default_factory=Exploration)
    """When it acts at random instead."""
    learning: LearningSchedule = field(default_factory=LearningSchedule)
    """When and how much it learns."""
    buffer_size: int = 100_000
    """Decisions kept for learning, over all instances."""
    use_mean_reward: bool = True
    """Whether a decision's reward is the mean over its environment steps; else their
    discounted sum. The mean suits decisions of equal length."""
    partial_eval_planner: Callable[..., Planner] | None = None
    """Like ``partial_planner``, for the planner in evaluation, which may search more;
    ``None`` for the same one."""
    surprise: Surprise | None = None
    """When a plan is given up because of what became of it; ``None`` for never."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if self.buffer_size < 1:
            raise ConfigurationError(
                f"buffer_size must be at least 1, got {self.buffer_size}"
            )

    def input_space(self, action_space_below: spaces.Space) -> spaces.Space | None:
        """Take no input; can only be on top."""
        return None

    def build(self, spec: LevelSpec) -> RunningPlannerLevel:
        """Build the running level."""
        return RunningPlannerLevel(spec, self)
