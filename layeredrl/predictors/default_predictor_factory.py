"""The predictor that a goal-based environment gets by default."""

from collections.abc import Iterator
from functools import partial

import gymnasium as gym
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv, VectorWrapper

from layeredrl.errors import SpaceError
from layeredrl.models import EnsembleConfig, ProbabilisticEnsemble
from layeredrl.nets import FixedEncoderNet, ReachedRewardNet
from layeredrl.predictors.predictor_factory import PredictorFactory
from layeredrl.predictors.reward_predictor import RewardPredictor
from layeredrl.utils.spaces import ObservationLayout

STATE_KEY = "achieved_goal"
CONTEXT_KEY = "desired_goal"


def get_default_predictor_factory(
    env: gym.Env | VectorEnv, sb_start_duration: float
) -> PredictorFactory:
    """Get a default predictor factory for a goal-based environment.

    The desired goal is the context and the achieved goal the latent state. The factory
    creates a :class:`RewardPredictor` with one ensemble member of 4 modes, normalised
    targets, a learned reward of the reached state, no value function, and nothing
    learned in the encoder.

    Args:
        env: The environment or vector environment, wrapped or not. Its base observation
            space is a ``Dict`` with ``achieved_goal`` and ``desired_goal``.
        sb_start_duration: Environment steps of the symmetry-breaking start; 0 turns it
            off, which planners over primitive actions want.

    Returns:
        The predictor factory.

    Raises:
        SpaceError: If the environment is not goal-based; names the keys that were found.
    """
    layout = ObservationLayout.of(goal_observation_space(env))
    return PredictorFactory(
        partial_model=partial(
            ProbabilisticEnsemble,
            config=EnsembleConfig(
                n_models=1, n_modes=4, sb_start_duration=int(sb_start_duration)
            ),
        ),
        partial_val_func=None,
        partial_rew_func=ReachedRewardNet,
        partial_encoder=partial(
            FixedEncoderNet,
            latent_state_dims=tuple(layout.columns_of(STATE_KEY)),
            context_dims=tuple(layout.columns_of(CONTEXT_KEY)),
        ),
        partial_predictor=partial(
            RewardPredictor,
            learn_encoder=False,
            reward_lr=1e-3,
            model_lr=1e-3,
        ),
    )


def goal_observation_space(env: gym.Env | VectorEnv) -> spaces.Dict:
    """Find the observation space of a goal-based environment, below flattening wrappers.

    Args:
        env: An environment or vector environment.

    Returns:
        The outermost dict space of a single instance: what a ``FlattenObservation``
        around it flattens.

    Raises:
        SpaceError: If it has no achieved or no desired goal.
    """
    found = outermost_dict_space(env)
    if found is None:
        *_, innermost = _observation_spaces(env)
        raise _not_goal_based(str(innermost))
    if not {STATE_KEY, CONTEXT_KEY} <= set(found):
        raise _not_goal_based(f"a Dict with keys {list(found)}")
    return found


def outermost_dict_space(env: gym.Env | VectorEnv) -> spaces.Dict | None:
    """Find the dict that flattening wrappers around an environment flatten.

    Args:
        env: An environment or vector environment.

    Returns:
        The outermost dict space of a single instance's observations, if there is one.
    """
    for found in _observation_spaces(env):
        if isinstance(found, spaces.Dict):
            return found
    return None


def _not_goal_based(found: str) -> SpaceError:
    return SpaceError(
        f"this is for goal-based environments: observations need "
        f"the keys {STATE_KEY!r} and {CONTEXT_KEY!r}, but this one has {found}"
    )


def _observation_spaces(env: gym.Env | VectorEnv) -> Iterator[spaces.Space]:
    """Walk from the outermost wrapper to the environment itself."""
    if isinstance(env, VectorEnv):
        yield from _vector_observation_spaces(env)
        return
    while isinstance(env, gym.Wrapper):
        yield env.observation_space
        env = env.env
    yield env.observation_space


def _vector_observation_spaces(env: VectorEnv) -> Iterator[spaces.Space]:
    while isinstance(env, VectorWrapper):
        yield env.single_observation_space
        env = env.env
    yield env.single_observation_space
    if isinstance(env, SyncVectorEnv):
        yield from _observation_spaces(env.envs[0])
    elif isinstance(env, AsyncVectorEnv):
        # The instances live in other processes; one more tells what they look like.
        instance = env.env_fns[0]()
        try:
            yield from list(_observation_spaces(instance))
        finally:
            instance.close()
