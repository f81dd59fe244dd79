"""Levels that set subgoals for the level below, which learns to reach them."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from gymnasium.vector import VectorEnv

from experiments.builders.learners import LearnerName, choose_learner
from experiments.figures import draw_learning_curve
from experiments.programs.program import run_program
from experiments.running.arguments import RunArguments
from experiments.running.training import main, run_and_report
from layeredrl.levels import (
    Exploration,
    LearningSchedule,
    Level,
    PlannerLevel,
    PolicyLevel,
)
from layeredrl.objectives import EnvironmentReward, GoalReaching
from layeredrl.optimizers import ICEM, ICEMConfig
from layeredrl.planners import OptimizerPlanner, PlannerConfig
from layeredrl.predictors import get_default_predictor_factory, hindsight_for


@dataclass(frozen=True)
class SubgoalArguments(RunArguments):
    """Arguments of a stack of levels with subgoals between them."""

    env_id: str = "Maze2D-UMaze-v0"
    """Any goal-based environment; ``module:Env-v0`` imports the module first."""
    top: Literal["planner", "sac"] = "planner"
    """What sets the first subgoals: a planner with a learned model, or a policy."""
    n_decisions: tuple[int, ...] = (10,)
    """Decisions per subgoal of each level below the top, from top to bottom: one number
    for two levels, two for three."""
    reach: tuple[float, ...] = (1.0,)
    """Largest offset of a subgoal from the achieved goal per feature, of each level."""
    radius: float = 0.3
    """Distance at which a subgoal counts as reached, in units of the goal."""
    reward_type: Literal["sparse", "dense"] = "dense"
    """Whether being near a subgoal pays, or only being there."""
    hindsight_ratio: float = 0.8
    """Share of sampled stretches whose subgoal is one that was reached later."""
    top_hindsight_ratio: float = 0.0
    """Share for a policy on top, with the environment's goals and rewards."""
    learner: LearnerName = "sac"
    """How the levels below the top learn, off-policy."""
    learner_options: tuple[str, ...] = ("hidden_sizes=(64, 64)", "lr=1e-3", "gamma=0.9")
    """Fields of its configuration as ``name=value``."""
    top_options: tuple[str, ...] = ("hidden_sizes=(64, 64)", "lr=1e-3")
    """Fields of the configuration of a policy on top."""
    horizon: int = 6
    """Planned subgoals of a planner on top."""
    n_candidates: int = 128
    """Candidate sequences of subgoals per iteration."""
    n_iterations: int = 4
    """Iterations per plan."""
    warm_up_env_steps: int = 1000
    """Environment steps in which the lowest level acts at random; the others' subgoals are
    random for ten times as long."""
    noise_std: float = 0.2
    """Noise on subgoals while training, in half ranges."""
    updates_per_env_step: float = 0.5
    """Updates of the lowest level per environment step."""
    top_updates_per_env_step: float = 0.1
    """Updates of each other level per environment step."""
    learn_interval: int = 160
    """Environment steps between bursts of updates."""
    batch_size: int = 256
    """Stretches of experience per update."""
    n_envs: int = 16
    """Environment instances that collect experience."""
    total_env_steps: int = 40_000
    """Environment steps of training, over all instances."""
    test_interval: int = 10_000
    """Environment steps between periodic tests; 0 for none."""
    checkpoint_interval: int = 10_000
    """Environment steps between checkpoints; 0 for none but the one at Ctrl-C."""


PRESETS = {
    "planner-maze-umaze": SubgoalArguments(),
    "sac-maze-umaze": SubgoalArguments(top="sac", top_updates_per_env_step=0.25),
    "three-levels-maze-umaze": SubgoalArguments(
        top="planner", n_decisions=(2, 8), reach=(1.4, 0.8), horizon=4
    ),
}


def build_levels(arguments: SubgoalArguments, env: VectorEnv) -> list[Level]:
    """Describe the stack.

    Args:
        arguments: Concrete choices.
        env: Where it will act.

    Returns:
        The descriptions, from top to bottom.

    Raises:
        ConfigurationError: If there is not one reach for each level below the top.
    """
    n_below = len(arguments.n_decisions)
    below = [
        _reaching_level(arguments, env, n_decisions, reach, is_lowest=i == n_below - 1)
        for i, (n_decisions, reach) in enumerate(
            zip(arguments.n_decisions, arguments.reach, strict=True)
        )
    ]
    build_top = _planner if arguments.top == "planner" else _policy
    return [build_top(arguments, env), *below]


def _reaching_level(
    arguments: SubgoalArguments,
    env: VectorEnv,
    n_decisions: int,
    reach: float,
    is_lowest: bool,
) -> Level:
    objective = GoalReaching.of(
        env,
        low=-reach,
        high=reach,
        radius=arguments.radius,
        reward_type=arguments.reward_type,
        is_relative=True,
        hindsight_ratio=arguments.hindsight_ratio,
    )
    return PolicyLevel(
        learner=choose_learner(arguments.learner, arguments.learner_options),
        objective=objective,
        n_decisions=n_decisions,
        exploration=_exploration(arguments, is_lowest),
        learning=_learning(arguments, is_lowest),
    )


def _planner(arguments: SubgoalArguments, env: VectorEnv) -> Level:
    search = ICEMConfig(
        n_iterations=arguments.n_iterations,
        n_candidates=arguments.n_candidates,
        elite_ratio=0.1,
    )
    planner = partial(
        OptimizerPlanner,
        partial_optimizer=partial(ICEM, config=search),
        config=PlannerConfig(horizon=arguments.horizon),
    )
    return PlannerLevel(
        predictor_factory=get_default_predictor_factory(env, 0),
        partial_planner=planner,
        exploration=_exploration(arguments, is_lowest=False),
        learning=_learning(arguments, is_lowest=False),
    )


def _policy(arguments: SubgoalArguments, env: VectorEnv) -> Level:
    ratio = arguments.top_hindsight_ratio
    return PolicyLevel(
        learner=choose_learner("sac", arguments.top_options),
        objective=EnvironmentReward(),
        hindsight=hindsight_for(env, ratio=ratio) if ratio > 0.0 else None,
        exploration=_exploration(arguments, is_lowest=False),
        learning=_learning(arguments, is_lowest=False),
    )


def _exploration(arguments: SubgoalArguments, is_lowest: bool) -> Exploration:
    """Subgoals stay random until the lowest level has learned to follow some."""
    steps = arguments.warm_up_env_steps
    return Exploration(
        warm_up_env_steps=steps if is_lowest else 10 * steps,
        noise_std=0.0 if is_lowest else arguments.noise_std,
    )


def _learning(arguments: SubgoalArguments, is_lowest: bool) -> LearningSchedule:
    rate = arguments.top_updates_per_env_step
    return LearningSchedule(
        start_env_steps=arguments.warm_up_env_steps,
        interval_env_steps=arguments.learn_interval,
        updates_per_env_step=arguments.updates_per_env_step if is_lowest else rate,
        batch_size=arguments.batch_size,
        model_batch_size=arguments.batch_size,
    )


def run() -> None:
    """Read the command line and run the experiment."""
    run_program("subgoals", SubgoalArguments, PRESETS, str(__doc__), _run_one)


def _run_one(arguments: SubgoalArguments) -> None:
    run_and_report(
        "subgoals",
        arguments,
        lambda env: build_levels(arguments, env),
        draw_learning_curve,
    )


if __name__ == "__main__":
    main(run)
