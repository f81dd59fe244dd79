"""Predictors whose latent states remember, or see."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium as gym
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from layeredrl.errors import SpaceError
from layeredrl.models import EnsembleConfig, ProbabilisticEnsemble
from layeredrl.nets import BackboneEncoder, ReachedRewardNet, RewardNet
from layeredrl.nets.cnn import NatureishCNN
from layeredrl.nets.observation_parts import ONLY_KEY
from layeredrl.nets.traj_encoder import TrajEncoderType
from layeredrl.nets.traj_encoders import TformerTrajEncoder
from layeredrl.nets.tstep_encoder import TstepEncoderType
from layeredrl.nets.tstep_encoders import (
    CNNTstepEncoder,
    CNNType,
    FFTstepEncoder,
)
from layeredrl.predictors.default_predictor_factory import (
    STATE_KEY,
    outermost_dict_space,
)
from layeredrl.predictors.imagination_predictor import ImaginationPredictor
from layeredrl.predictors.predictor_factory import PredictorFactory
from layeredrl.predictors.reward_predictor import RewardPredictor
from layeredrl.utils.spaces import ObservationLayout, single_spaces

_STEP = partial(FFTstepEncoder, d_hidden=128, d_output=64)
_TRANSFORMER = partial(
    TformerTrajEncoder,
    d_model=64,
    n_heads=4,
    d_ff=128,
    n_layers=2,
    dropout_ff=0.0,
    dropout_emb=0.0,
)


def get_memory_predictor_factory(
    env: gym.Env | VectorEnv,
    traj_encoder_type: TrajEncoderType = _TRANSFORMER,
    *,
    tstep_encoder_type: TstepEncoderType = _STEP,
    max_seq_len: int = 64,
    state_keys: Sequence[str] | None = None,
    n_state_features: int = 0,
    n_context_features: int = 8,
    action_space: spaces.Space | None = None,
    n_models: int = 1,
    **predictor_arguments: Any,
) -> PredictorFactory:
    """Get a predictor factory for environments that hide what an agent must remember.

    What an episode showed becomes the context: features of a trajectory encoder over all
    observations, rewards and actions so far, which the reward trains. The latent state
    is the visible state, as in the default factory.

    Args:
        env: The environment or vector environment, wrapped or not.
        traj_encoder_type: Class of the trajectory encoder, or a ``partial`` of one with
            other sizes; by default a small Transformer.
        tstep_encoder_type: Class of the time-step encoder, or a ``partial``.
        max_seq_len: Longest sequence that is trained on, and what the Transformer sees
            while acting [decisions].
        state_keys: Observation keys that are the latent state as they are; by default
            ``achieved_goal`` of goal-based environments, else all vectors.
        n_state_features: Features of the latent state that are learned, too.
        n_context_features: Learned features of the context.
        action_space: Actions of the level that will plan; by default the environment's.
        n_models: Ensemble members of the model.
        **predictor_arguments: Of :class:`RewardPredictor`.

    Returns:
        The predictor factory.

    Raises:
        SpaceError: If there is no such observation key.
    """
    space, env_actions = _spaces(env)
    if state_keys is None:
        state_keys = _default_state_keys(space)
    encoder = partial(
        BackboneEncoder,
        observation_space=space,
        action_space=env_actions if action_space is None else action_space,
        partial_tstep_encoder=tstep_encoder_type,
        partial_traj_encoder=traj_encoder_type,
        max_seq_len=max_seq_len,
        state_keys=tuple(state_keys),
        n_state_features=n_state_features,
        n_context_features=n_context_features,
    )
    n_steps = predictor_arguments.get("n_steps", 1)
    k_steps = max(1, min(16, max_seq_len - n_steps - 1))
    arguments = {"k_steps": k_steps, **predictor_arguments}
    return _factory(encoder, space, n_models, RewardPredictor, arguments)


def get_pixel_predictor_factory(
    env: gym.Env | VectorEnv,
    cnn_type: CNNType = NatureishCNN,
    *,
    pixel_key: str = "observation",
    channels_first: bool = False,
    drqv2_aug: bool = False,
    traj_encoder_type: TrajEncoderType | None = None,
    max_seq_len: int = 64,
    n_state_features: int = 16,
    n_context_features: int = 16,
    head_norm: str = "layer",
    action_space: spaces.Space | None = None,
    n_models: int = 1,
    **predictor_arguments: Any,
) -> PredictorFactory:
    """Get a predictor factory for environments that show pictures.

    Latent state and context are features that a convolutional network reads off the
    picture; nothing else of the observation is looked at. They are trained through the
    reward, also that of imagined steps.

    Args:
        env: The environment or vector environment, wrapped or not.
        cnn_type: Class of the picture network, or a ``partial`` of one with other sizes.
        pixel_key: Observation key of the pictures.
        channels_first: Whether the channels come first in pictures.
        drqv2_aug: Shift pictures at random in training.
        traj_encoder_type: Class of a trajectory encoder, or a ``partial``, for what one
            picture does not show; ``None`` for no memory.
        max_seq_len: Longest sequence that is trained on with memory [decisions].
        n_state_features: Learned features of the latent state.
        n_context_features: Learned features of the context; 0 for none.
        head_norm: Normalisation of these features (see ``nets.ff.Normalization``).
        action_space: Actions of the level that will plan; by default the environment's.
        n_models: Ensemble members of the model.
        **predictor_arguments: Of :class:`ImaginationPredictor`.

    Returns:
        The predictor factory.

    Raises:
        SpaceError: If there is no picture under that key.
    """
    space, env_actions = _spaces(env)
    images = [name or ONLY_KEY for name in ObservationLayout.of(space).images]
    if pixel_key not in images:
        raise SpaceError(
            f"no pictures under {pixel_key!r}; the keys with pictures are "
            f"{sorted(images)}"
        )
    encoder = partial(
        BackboneEncoder,
        observation_space=space,
        action_space=env_actions if action_space is None else action_space,
        partial_tstep_encoder=partial(
            CNNTstepEncoder,
            cnn_type=cnn_type,
            channels_first=channels_first,
            drqv2_aug=drqv2_aug,
            hide_rl2s=traj_encoder_type is None,
            obs_key=pixel_key,
        ),
        head_norm=head_norm,
        partial_traj_encoder=traj_encoder_type,
        max_seq_len=max_seq_len,
        n_state_features=n_state_features,
        n_context_features=n_context_features,
    )
    longest = max_seq_len - 1 if traj_encoder_type is not None else 10
    n_steps = predictor_arguments.get("n_steps", 1)
    arguments = {
        "k_steps": max(1, min(4, longest - n_steps)),
        "imagination_steps": min(10, longest),
        **predictor_arguments,
    }
    return _factory(encoder, space, n_models, ImaginationPredictor, arguments)


def _factory(
    encoder: partial[BackboneEncoder],
    space: spaces.Space,
    n_models: int,
    predictor_type: type[RewardPredictor],
    predictor_arguments: dict[str, Any],
) -> PredictorFactory:
    """Put the usual parts around an encoder."""
    rates = {"encoder_lr": 1e-3, "reward_lr": 1e-3, "model_lr": 1e-3}
    return PredictorFactory(
        partial_model=partial(
            ProbabilisticEnsemble, config=EnsembleConfig(n_models=n_models)
        ),
        partial_val_func=None,
        partial_rew_func=ReachedRewardNet if _is_goal_based(space) else RewardNet,
        partial_encoder=encoder,
        partial_predictor=partial(predictor_type, **rates | predictor_arguments),
    )


def _spaces(env: gym.Env | VectorEnv) -> tuple[spaces.Space, spaces.Space]:
    """Find the unflattened observation space and the action space of one instance."""
    observation_space, action_space = single_spaces(env)
    unflattened = outermost_dict_space(env)
    return observation_space if unflattened is None else unflattened, action_space


def _is_goal_based(space: spaces.Space) -> bool:
    return isinstance(space, spaces.Dict) and STATE_KEY in space.spaces


def _default_state_keys(space: spaces.Space) -> tuple[str, ...]:
    if _is_goal_based(space):
        return (STATE_KEY,)
    return tuple(ObservationLayout.of(space).columns)
