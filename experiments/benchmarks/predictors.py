"""Predictors of the size that the benchmarks agree on."""

from functools import partial

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.models import EnsembleConfig, ProbabilisticEnsemble
from layeredrl.nets import FixedEncoderNet, RewardNet, ValueNet
from layeredrl.predictors import PredictorFactory, RewardPredictor

STATE_DIM, CONTEXT_DIM, ACTION_DIM = 3, 3, 4
ACTION_SPACE = spaces.Box(-1.0, 1.0, (ACTION_DIM,), np.float32)


def make_predictor(n_models: int, use_value: bool = False) -> RewardPredictor:
    """Build a predictor with networks of 128 x 128 and 4 modes.

    Args:
        n_models: Ensemble members.
        use_value: Whether it has a value function.

    Returns:
        The predictor.
    """
    factory = PredictorFactory(
        partial_model=partial(
            ProbabilisticEnsemble, config=EnsembleConfig(n_models=n_models)
        ),
        partial_val_func=ValueNet if use_value else None,
        partial_rew_func=RewardNet,
        partial_encoder=partial(
            FixedEncoderNet,
            latent_state_dims=tuple(range(STATE_DIM)),
            context_dims=tuple(range(STATE_DIM, STATE_DIM + CONTEXT_DIM)),
        ),
        partial_predictor=partial(RewardPredictor, learn_encoder=False),
    )
    shape = (STATE_DIM + CONTEXT_DIM,)
    predictor = factory(shape, ACTION_SPACE, torch.device("cpu"), None)
    assert isinstance(predictor, RewardPredictor)
    return predictor
