import torch
from tianshou.data import ReplayBuffer

from layeredrl.nets import RewardNet, ValueNet
from layeredrl.predictors import StaticPredictor
from tests.toys import ensemble, random_buffer


def build():
    encoder = lambda obs: (obs[..., :2], obs[..., 2:])  # noqa: E731
    return StaticPredictor(
        ensemble(2, 3), ValueNet(2, 3), RewardNet(2, 3, 2), encoder, 2, 3
    )


def test_learning_changes_nothing_however_it_is_called():
    predictor, buffer = build(), random_buffer()
    before = {key: value.clone() for key, value in predictor.state_dict().items()}
    for arguments in [(buffer, 3, 8), (buffer, 3, 8, 8, 100), (ReplayBuffer(3), 1, 1)]:
        loss, info = predictor.learn(*arguments)
        assert loss.shape == () and loss.item() == 0.0 and info == {}
    loss, info = predictor.learn(buffer=buffer, n_steps=1, batch_size=2)
    assert loss.item() == 0.0 and info == {}
    loss, info = predictor.loss(buffer.sample(3)[0])
    assert loss.item() == 0.0 and info == {}
    for key, value in predictor.state_dict().items():
        assert torch.equal(value, before[key])
    assert predictor.training_state() == {}
    predictor.load_training_state({})
