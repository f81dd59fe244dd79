import pytest
import torch

from layeredrl.nets import IdentityEncoder, ValueNet
from layeredrl.predictors import RewardPredictor, get_flat_predictor_factory
from tests.toys import ACTIONS, random_buffer


@pytest.mark.parametrize("use_value", [True, False])
def test_what_it_consists_of(use_value):
    factory = get_flat_predictor_factory(n_models=3, use_value=use_value)
    predictor = factory((5,), ACTIONS, torch.device("cpu"), None)
    assert isinstance(predictor, RewardPredictor)
    assert isinstance(predictor.encoder, IdentityEncoder)
    assert isinstance(predictor.val_func, ValueNet) is use_value
    assert predictor.model.n_models == 3
    assert predictor.model.learned_share() == 1.0
    loss, _ = predictor.learn(random_buffer(), 2, 8, 8, 0)
    assert loss.isfinite()
