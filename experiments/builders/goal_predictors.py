"""Predictors of goal-based environments, as experiments describe them."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from gymnasium.vector import VectorEnv

from layeredrl.errors import SpaceError
from layeredrl.models import Model
from layeredrl.nets import FixedEncoderNet, ValueNet
from layeredrl.predictors import (
    PredictorFactory,
    get_default_predictor_factory,
    hindsight_for,
    known_reward_for,
)
from layeredrl.predictors.default_predictor_factory import goal_observation_space
from layeredrl.utils.schedules import LinearSchedule
from layeredrl.utils.spaces import ObservationLayout


class GoalArguments(Protocol):
    """What arguments say of the predictor of a goal-based environment."""

    @property
    def state_keys(self) -> tuple[str, ...]:
        """Observation keys that make up the latent state."""

    @property
    def state_columns(self) -> tuple[int, ...]:
        """Columns of ``observation`` that the latent state holds besides."""

    @property
    def use_value(self) -> bool:
        """Whether a value is learned."""

    @property
    def known_reward(self) -> bool:
        """Whether rewards are the environment's own."""

    @property
    def gamma(self) -> float:
        """Discount of the value."""

    @property
    def hindsight_ratio(self) -> float:
        """Share of sampled stretches that are relabelled; 0 for none."""


def goal_predictor(
    arguments: GoalArguments,
    env: VectorEnv,
    partial_model: Callable[..., Model],
    **options: Any,
) -> PredictorFactory:
    """Describe the default predictor with what arguments change.

    Args:
        arguments: Concrete choices.
        env: A goal-based environment.
        partial_model: Builds the model.
        **options: Further arguments of the predictor.

    Returns:
        Its factory.

    Raises:
        SpaceError: If the environment is not goal-based, or has no such observations.
    """
    default = get_default_predictor_factory(env, 0)
    if arguments.hindsight_ratio:
        options["hindsight"] = hindsight_for(env, ratio=arguments.hindsight_ratio)
    layout = ObservationLayout.of(goal_observation_space(env))
    state = _state_columns(arguments, layout)
    goal = tuple(layout.columns_of("desired_goal"))
    return PredictorFactory(
        partial_model,
        ValueNet if arguments.use_value else None,
        (
            known_reward_for(env, state)
            if arguments.known_reward
            else default.partial_rew_func
        ),
        partial(FixedEncoderNet, latent_state_dims=state, context_dims=goal),
        partial(default.partial_predictor, gamma=arguments.gamma, **options),
    )


def falling_rate(start: float, n_env_steps: int) -> LinearSchedule:
    """Let a learning rate fall to a tenth in a straight line.

    Args:
        start: The rate at the start.
        n_env_steps: Environment steps of training.

    Returns:
        The rate over environment steps.
    """
    return LinearSchedule(start, 0.1 * start, n_env_steps)


def _state_columns(
    arguments: GoalArguments, layout: ObservationLayout
) -> tuple[int, ...]:
    """Find the columns of the latent state in the flat observation."""
    whole = [c for key in arguments.state_keys for c in layout.columns_of(key)]
    if not arguments.state_columns:
        return tuple(whole)
    observation = layout.columns_of("observation")
    beyond = [c for c in arguments.state_columns if not 0 <= c < len(observation)]
    if beyond:
        raise SpaceError(
            f"state_columns {beyond} are not among the {len(observation)} columns of "
            "``observation``, which are counted from 0"
        )
    return tuple(whole + [observation[c] for c in arguments.state_columns])
