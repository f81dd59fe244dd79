"""What goal environments make possible: hindsight, and rewards that need no learning."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import gymnasium as gym
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.nets import GoalReward, known_goal_reward
from layeredrl.nets.goal_reward import ComputeReward
from layeredrl.predictors.default_predictor_factory import (
    CONTEXT_KEY,
    STATE_KEY,
    goal_observation_space,
)
from layeredrl.predictors.environment_goal_function import environment_goal_function
from layeredrl.predictors.hindsight import Hindsight
from layeredrl.utils.spaces import ObservationLayout


def hindsight_for(
    env: gym.Env | VectorEnv,
    *,
    strategy: Literal["future", "final"] = "future",
    ratio: float = 0.8,
    decision_reward: Literal["mean", "sum", "last"] = "mean",
) -> Hindsight:
    """Describe hindsight for a level that sees all that an environment shows.

    Args:
        env: A goal environment or vector environment, wrapped or not.
        strategy: From where in the episode goals are taken.
        ratio: Share of stretches that get another goal, in [0, 1].
        decision_reward: What decisions of several environment steps are paid.

    Returns:
        The description; for checkpoints only if the environment was made by its
        registered id.

    Raises:
        SpaceError: If the environment is not goal-based, or goals are no vectors.
        ConfigurationError: If it cannot say what another goal would have paid, or
            ``strategy`` or ``ratio`` is none that there is.
    """
    achieved, desired = _goal_columns(env)
    return Hindsight(
        compute_reward=environment_goal_function(env),
        achieved=tuple(achieved),
        desired=tuple(desired),
        strategy=strategy,
        ratio=ratio,
        decision_reward=decision_reward,
        compute_terminated=_compute_terminated(env),
    )


def known_reward_for(
    env: gym.Env | VectorEnv, latent_state_dims: Sequence[int]
) -> "partial[GoalReward]":
    """Describe the environment's own reward as a part of a predictor factory.

    The context of the predictor is the desired goal, as the default factory has it.

    Args:
        env: A goal environment or vector environment, wrapped or not.
        latent_state_dims: Columns of the observation that make up the latent state.

    Returns:
        A ``partial_rew_func``; for checkpoints only if the environment was made by its
        registered id.

    Raises:
        SpaceError: If the environment is not goal-based, or goals are no vectors.
        ConfigurationError: If the environment does not offer its reward, or the latent
            state does not hold the achieved goal.
    """
    achieved, _ = _goal_columns(env)
    columns = list(latent_state_dims)
    if not set(achieved) <= set(columns):
        raise ConfigurationError(
            f"a known reward needs {STATE_KEY} in the latent state: columns {achieved} of "
            f"the observation, got {columns}"
        )
    return partial(
        known_goal_reward,
        compute_reward=environment_goal_function(env),
        achieved_dims=tuple(columns.index(column) for column in achieved),
    )


def _goal_columns(env: gym.Env | VectorEnv) -> tuple[list[int], list[int]]:
    """Find the columns of the achieved and the desired goal."""
    space = goal_observation_space(env)
    for key in (STATE_KEY, CONTEXT_KEY):
        goal = space[key]
        if not isinstance(goal, spaces.Box) or len(goal.shape) != 1:
            raise SpaceError(
                f"compute_reward is called with vectors, but {key!r} is {goal}"
            )
    layout = ObservationLayout.of(space)
    return layout.columns_of(STATE_KEY), layout.columns_of(CONTEXT_KEY)


def _compute_terminated(env: gym.Env | VectorEnv) -> ComputeReward | None:
    try:
        return environment_goal_function(env, "compute_terminated")
    except ConfigurationError:
        return None  # then termination does not depend on the goal
