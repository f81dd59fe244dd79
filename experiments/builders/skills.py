"""A planner over learned skills: what the experiments with them have in common."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from gymnasium.vector import VectorEnv

from experiments.builders.goal_predictors import falling_rate, goal_predictor
from experiments.builders.search_methods import choose_planner
from experiments.builders.skill_arguments import SkillArguments
from layeredrl.errors import ConfigurationError
from layeredrl.levels import (
    Exploration,
    LearningSchedule,
    Level,
    PlannerLevel,
    Surprise,
)
from layeredrl.models import EnsembleConfig, ProbabilisticEnsemble
from layeredrl.nets import ProbFCDynamics
from layeredrl.planners import Planner
from layeredrl.predictors import PredictorFactory


def planner_level(
    arguments: SkillArguments, env: VectorEnv, n_repeats: int = 1
) -> Level:
    """Describe the planner over skills.

    Args:
        arguments: Concrete choices.
        env: Where it will act.
        n_repeats: Decisions for which it keeps a skill.

    Returns:
        The level on top.

    Raises:
        ConfigurationError: If members are to disagree and there is but one.
    """
    if arguments.exploration_bonus and arguments.n_models == 1:
        raise ConfigurationError(
            "exploration_bonus is paid for the disagreement of members and needs "
            "n_models of at least 2, got 1"
        )
    is_discrete = arguments.n_skills > 0
    planner, eval_planner = _planners(arguments, is_discrete, n_repeats)
    return PlannerLevel(
        predictor_factory=skill_predictor(arguments, env),
        partial_planner=planner,
        partial_eval_planner=eval_planner,
        exploration=Exploration(
            warm_up_env_steps=arguments.plan_from_env_steps,
            random_probability=arguments.random_probability / n_repeats,
            random_duration=arguments.random_duration * n_repeats,
            hold=n_repeats,
            noise_std=0.0 if is_discrete else arguments.noise_std,
        ),
        learning=LearningSchedule(
            start_env_steps=arguments.warm_up_env_steps,
            interval_env_steps=arguments.learn_interval,
            updates_per_env_step=arguments.model_updates_per_env_step,
            batch_size=arguments.batch_size,
            model_batch_size=arguments.model_batch_size,
        ),
        buffer_size=arguments.buffer_size,
        surprise=_surprise(arguments, n_repeats),
    )


def _planners(
    arguments: SkillArguments, is_discrete: bool, n_repeats: int
) -> list[Callable[..., Planner]]:
    """How plans are searched in training, and how in tests and evaluation."""
    has_gradient = not (is_discrete or arguments.known_reward)
    curious = replace(
        arguments,
        n_refinements=arguments.n_refinements if has_gradient else 0,
        disagreement_weight=arguments.disagreement_weight + arguments.exploration_bonus,
    )
    thorough = replace(
        arguments,
        n_candidates=arguments.n_eval_candidates,
        n_iterations=arguments.n_eval_iterations,
        n_refinements=arguments.n_eval_refinements if has_gradient else 0,
    )
    return [choose_planner(x, is_discrete, n_repeats) for x in (curious, thorough)]


def _surprise(arguments: SkillArguments, n_repeats: int) -> Surprise | None:
    if arguments.surprise is None:
        return None
    return Surprise(arguments.surprise, arguments.surprise_duration * n_repeats)


def skill_predictor(arguments: SkillArguments, env: VectorEnv) -> PredictorFactory:
    """Describe the predictor of skills: the default one, with what arguments change.

    Args:
        arguments: Concrete choices.
        env: A goal-based environment.

    Returns:
        Its factory.

    Raises:
        SpaceError: If the environment is not goal-based.
    """
    model = EnsembleConfig(
        n_models=arguments.n_models,
        n_modes=arguments.n_modes,
        sb_start_duration=arguments.sb_start_duration,
        sb_gain=arguments.sb_gain,
        state_noise=arguments.state_noise,
    )
    # What a skill does does not depend on where the agent is to go.
    dynamics = partial(
        ProbFCDynamics, n_frequencies=arguments.n_frequencies, sees_context=False
    )
    return goal_predictor(
        arguments,
        env,
        partial(ProbabilisticEnsemble, partial_net=dynamics, config=model),
        model_lr=falling_rate(arguments.model_lr, arguments.total_env_steps),
        delta_standardizer=arguments.whiten,
    )
