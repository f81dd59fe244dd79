"""The predictor that an environment without goals gets by default."""

from functools import partial

from layeredrl.models import EnsembleConfig, ProbabilisticEnsemble
from layeredrl.nets import IdentityEncoder, RewardNet, ValueNet
from layeredrl.predictors.predictor_factory import PredictorFactory
from layeredrl.predictors.reward_predictor import RewardPredictor


def get_flat_predictor_factory(
    n_models: int = 1, use_value: bool = False
) -> PredictorFactory:
    """Get a predictor factory for flat observations without goals.

    The whole observation is the latent state, and there is no context. The factory
    creates a :class:`RewardPredictor` with normalised targets, a learned reward and
    termination, and nothing learned in the encoder.

    Args:
        n_models: Ensemble members.
        use_value: Whether a value function is learned too.

    Returns:
        The predictor factory.
    """
    return PredictorFactory(
        partial_model=partial(
            ProbabilisticEnsemble, config=EnsembleConfig(n_models=n_models)
        ),
        partial_val_func=ValueNet if use_value else None,
        partial_rew_func=RewardNet,
        partial_encoder=IdentityEncoder,
        partial_predictor=partial(
            RewardPredictor,
            learn_encoder=False,
            reward_lr=1e-3,
            model_lr=1e-3,
            value_lr=1e-3,
        ),
    )
