"""Learn a model of an environment and plan with it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from gymnasium import spaces
from gymnasium.vector import VectorEnv

from experiments.builders.goal_predictors import goal_predictor
from experiments.builders.search_methods import OptimizerName, choose_planner
from experiments.figures import draw_planner_run
from experiments.programs.program import run_program
from experiments.running.arguments import RunArguments
from experiments.running.training import TrainedRun, main, run_and_report
from layeredrl.errors import ConfigurationError
from layeredrl.levels import Exploration, LearningSchedule, Level, PlannerLevel
from layeredrl.models import EnsembleConfig, ProbabilisticEnsemble
from layeredrl.predictors import PredictorFactory, get_flat_predictor_factory

A = TypeVar("A", bound="PlannerArguments")


@dataclass(frozen=True)
class PlannerArguments(RunArguments):
    """Arguments of the flat planner."""

    state_keys: tuple[str, ...] = ("achieved_goal",)
    """Goal environments: observation keys that make up the latent state. Where motion is by
    force it has to hold velocities too."""
    state_columns: tuple[int, ...] = ()
    """Goal environments: columns of ``observation`` that it holds besides."""
    n_models: int = 1
    """Ensemble members of the model."""
    optimizer: OptimizerName = "icem"
    """How plans are searched; discrete actions always use the categorical CEM."""
    horizon: int = 8
    """Planned steps."""
    n_followed: int = 1
    """Planned decisions that are carried out before the next search."""
    n_candidates: int = 64
    """Candidate sequences per iteration, of the methods that draw some."""
    n_iterations: int = 3
    """Iterations per plan, of the methods that iterate."""
    noise_beta: float = 2.0
    """Colour of iCEM's noise along time; 0 is white, more is slower."""
    n_refinements: int = 0
    """Gradient steps of the best plan after the search; not for discrete actions."""
    gamma: float = 0.99
    """Discount of the value, used with ``use_value``."""
    use_value: bool = False
    """Whether a value is learned and added at the end of plans."""
    disagreement_weight: float = 0.0
    """Weight of member disagreement in the objective; negative is a penalty."""
    warm_up_env_steps: int = 1000
    """Environment steps with random actions only."""
    hold: int = 5
    """Steps for which a random action is kept."""
    random_probability: float = 0.0
    """Chance that a planning instance starts a random phase at a step."""
    random_duration: int = 10
    """Steps of a random phase."""
    noise_std: float = 0.1
    """Noise on planned actions while training, in half ranges."""
    updates_per_env_step: float = 1.0
    """Updates of the predictor per environment step."""
    batch_size: int = 256
    """Partial trajectories per update, for reward and value."""
    model_batch_size: int = 256
    """Transitions per update, for the model."""
    buffer_size: int = 100_000
    """Transitions kept for learning."""
    learn_interval: int = 200
    """Environment steps between bursts of updates."""
    known_reward: bool = False
    """Goal environments: whether plans are paid by the environment's own ``compute_reward``
    instead of a learned reward."""
    hindsight_ratio: float = 0.0
    """Goal environments: share of partial trajectories that are learned from with a goal
    that they went on to reach."""


PRESETS = {
    "fetch-reach": PlannerArguments(env_id="FetchReachDense-v4", total_env_steps=4000),
    "point-maze-umaze": PlannerArguments(
        env_id="PointMaze_UMazeDense-v3",
        state_keys=("observation",),
        total_env_steps=20_000,
        horizon=15,
        use_value=True,
        hold=10,
        random_probability=0.01,
        random_duration=20,
        updates_per_env_step=0.5,
        test_interval=5000,
        n_test_episodes=8,
    ),
    "maze-open": PlannerArguments(
        env_id="Maze2D-Open-v0",
        total_env_steps=8000,
        horizon=15,
        hold=10,
        test_interval=4000,
        n_test_episodes=8,
    ),
    "maze-umaze": PlannerArguments(
        env_id="Maze2D-UMaze-v0",
        total_env_steps=20_000,
        horizon=15,
        use_value=True,
        hold=10,
        random_probability=0.01,
        random_duration=20,
        updates_per_env_step=0.5,
        test_interval=5000,
        n_test_episodes=8,
    ),
    "inverted-pendulum": PlannerArguments(
        env_id="InvertedPendulum-v5",
        total_env_steps=6000,
        horizon=15,
        use_value=True,
        hold=1,
        random_probability=0.01,
        random_duration=3,
        test_interval=2000,
        n_test_episodes=4,
    ),
}


def build_levels(
    arguments: PlannerArguments, env: VectorEnv, predictor_factory: PredictorFactory
) -> list[Level]:
    """Describe the one level.

    Args:
        arguments: Concrete choices.
        env: Where it will act.
        predictor_factory: Builds what it plans with.

    Returns:
        The description.
    """
    discrete = isinstance(env.single_action_space, spaces.Discrete)
    level = PlannerLevel(
        predictor_factory=predictor_factory,
        partial_planner=choose_planner(arguments, discrete),
        exploration=Exploration(
            warm_up_env_steps=arguments.warm_up_env_steps,
            random_probability=arguments.random_probability,
            random_duration=arguments.random_duration,
            hold=arguments.hold,
            noise_std=0.0 if discrete else arguments.noise_std,
        ),
        learning=LearningSchedule(
            start_env_steps=arguments.warm_up_env_steps,
            interval_env_steps=arguments.learn_interval,
            updates_per_env_step=arguments.updates_per_env_step,
            batch_size=arguments.batch_size,
            model_batch_size=arguments.model_batch_size,
        ),
        buffer_size=arguments.buffer_size,
    )
    return [level]


def choose_predictor(arguments: PlannerArguments, env: VectorEnv) -> PredictorFactory:
    """Pick the default predictor of goal-based or flat environments.

    Args:
        arguments: Concrete choices.
        env: Where it will be used.

    Returns:
        Its factory.

    Raises:
        ConfigurationError: If something is asked for that needs goals, and there are none.
    """
    if not isinstance(env.single_observation_space, spaces.Dict):
        refuse_goal_options(
            arguments, f"observations are {env.single_observation_space}"
        )
        flat = get_flat_predictor_factory(arguments.n_models, arguments.use_value)
        return _with_options(flat, gamma=arguments.gamma)
    model = EnsembleConfig(n_models=arguments.n_models)
    return goal_predictor(arguments, env, partial(ProbabilisticEnsemble, config=model))


def refuse_goal_options(arguments: PlannerArguments, because: str) -> None:
    """Refuse what needs goals that are vectors and always shown.

    Args:
        arguments: Concrete choices.
        because: What there is instead.

    Raises:
        ConfigurationError: If rewards shall be known, goals relabelled, or columns picked.
    """
    asked = (arguments.known_reward, arguments.hindsight_ratio, arguments.state_columns)
    if any(asked):
        raise ConfigurationError(
            "known_reward, hindsight_ratio and state_columns need a goal environment that "
            f"always shows its goal as a vector; in {arguments.env_id} {because}"
        )


def _with_options(factory: PredictorFactory, **options: Any) -> PredictorFactory:
    return PredictorFactory(
        factory.partial_model,
        factory.partial_val_func,
        factory.partial_rew_func,
        factory.partial_encoder,
        partial(factory.partial_predictor, **options),
    )


def run_planner(
    experiment: str,
    arguments: A,
    choose: Callable[[A, VectorEnv], PredictorFactory],
) -> TrainedRun:
    """Train, evaluate, draw, and print the result.

    Args:
        experiment: Name of the experiment.
        arguments: Its arguments.
        choose: Picks the predictor for the training environment.

    Returns:
        The run.
    """
    return run_and_report(
        experiment,
        arguments,
        lambda env: build_levels(arguments, env, choose(arguments, env)),
        draw_planner_run,
    )


def run() -> None:
    """Read the command line and run the experiment."""
    run_program("planner", PlannerArguments, PRESETS, str(__doc__), _run_one)


def _run_one(arguments: PlannerArguments) -> None:
    run_planner("planner", arguments, choose_predictor)


if __name__ == "__main__":
    main(run)
