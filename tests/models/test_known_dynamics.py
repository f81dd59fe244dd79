import pytest
import torch
from torch import nn

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.models import KnownDynamics
from tests.toys import ACTIONS, unbounded


def build(function=lambda s, c, a: s + a, **kwargs):
    return KnownDynamics(unbounded(2), unbounded(0), ACTIONS, function, **kwargs)


def test_rollout_by_hand():
    model = build(term_function=lambda s, c, a: s[:, 0] > 1.5)
    actions = torch.tensor([[[1.0, 0.0], [1.0, -1.0], [0.0, 1.0]]])
    rollout = model.rollout(torch.zeros(1, 2), torch.zeros(1, 0), actions, True)
    states = [[0.0, 0.0], [1.0, 0.0], [2.0, -1.0], [2.0, 0.0]]
    assert rollout.state[0, 0, 0].tolist() == states
    # Whether the step ends the episode is asked of the state it starts from.
    assert rollout.term_prob[0, 0, 0].tolist() == [0.0, 0.0, 1.0]


def test_bool_terminations_are_probabilities():
    prediction = build(term_function=lambda s, c, a: s[:, 0] > 0).predict(
        torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.zeros(2, 0), torch.zeros(2, 2)
    )
    assert prediction.term_prob.tolist() == [[1.0], [0.0]]
    assert prediction.term_prob.dtype == torch.float32


def test_noise_has_the_stated_deviation(generator):
    model = build(std=0.3)
    zeros = torch.zeros(4000, 2)
    drawn = model.sample(zeros, torch.zeros(4000, 0), zeros, generator)
    assert float(drawn.std()) == pytest.approx(0.3, rel=0.03)


def test_a_module_is_part_of_the_model():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, state, context, action):
            return state + self.linear(action)

    model = build(Net())
    assert {name for name, _ in model.named_parameters()} == {
        "function.linear.weight",
        "function.linear.bias",
    }


@pytest.mark.parametrize(
    "kwargs",
    [
        {"function": lambda s, c, a: s[:, :1]},
        {"term_function": lambda s, c, a: s},
        {"term_function": lambda s, c, a: s[:, :1]},
    ],
)
def test_functions_of_wrong_shape_are_named(kwargs):
    model = build(**kwargs)
    with pytest.raises(ShapeError, match="function returned shape"):
        model.rollout(torch.zeros(3, 2), torch.zeros(3, 0), torch.zeros(3, 1, 2))


def test_no_deviation_is_refused():
    with pytest.raises(ConfigurationError, match="std must be positive, got 0"):
        build(std=0)
