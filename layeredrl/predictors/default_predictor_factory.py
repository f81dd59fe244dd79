"""The predictor that a goal-based environment gets by default."""

from functools import partial

import gymnasium as gym
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv

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
    """Find the observation space of a goal-based environment below all wrappers.

    Args:
        env: An environment or vector environment.

    Returns:
        The space of a single instance.

    Raises:
        SpaceError: If it has no achieved or no desired goal.
    """
    space = _base_space(env)
    keys = list(space.spaces) if isinstance(space, spaces.Dict) else None
    if keys is None or not {STATE_KEY, CONTEXT_KEY} <= set(keys):
        found = f"a Dict with keys {keys}" if keys is not None else f"{space}"
        raise SpaceError(
            f"the default predictor is for goal-based environments: observations need "
            f"the keys {STATE_KEY!r} and {CONTEXT_KEY!r}, but this one has {found}"
        )
    assert isinstance(space, spaces.Dict)
    return space


def _base_space(env: gym.Env | VectorEnv) -> spaces.Space:
    if not isinstance(env, VectorEnv):
        return env.unwrapped.observation_space
    base = env.unwrapped
    if isinstance(base.single_observation_space, spaces.Dict):
        return base.single_observation_space
    if isinstance(base, SyncVectorEnv):
        return base.envs[0].unwrapped.observation_space
    if isinstance(base, AsyncVectorEnv):
        # The instances live in other processes; one more tells what they look like.
        instance = base.env_fns[0]()
        try:
            return instance.unwrapped.observation_space
        finally:
            instance.close()
    return base.single_observation_space
