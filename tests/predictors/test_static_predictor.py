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


def test_without_a_standardizer_changes_are_predicted_as_they_are():
    predictor = build()
    state, context, action = torch.randn(5, 2), torch.randn(5, 3), torch.randn(5, 2)
    means, weights, term_prob = predictor.predict_standardized(state, context, action)
    expected = predictor.model.predict(state, context, action)
    modes = expected.mean.flatten(1, 2) - state.unsqueeze(1)
    torch.testing.assert_close(means, modes)
    torch.testing.assert_close(weights, expected.weights.flatten(1))
    torch.testing.assert_close(weights.sum(1), torch.ones(5))
    torch.testing.assert_close(term_prob, expected.term_prob.mean(1))
    std = torch.tensor(0.3)
    found = predictor.get_standardized_log_prob(state, context, action, state, std)
    assert found[0].isfinite().all()
    torch.testing.assert_close(found[2]["means"], means)
