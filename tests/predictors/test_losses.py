import math

import pytest
import torch
from tianshou.data import Batch
from torch import nn

from layeredrl.nets import PlainFunction, ValueNet
from layeredrl.predictors.losses import as_transitions, reward_loss, value_loss


class Scaled(PlainFunction):
    def __init__(self, function, scale=1.0):
        super().__init__(function)
        self.output_scale.fill_(scale)


class Weighted(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, state, context, action):
        return self.weight * state[..., 0] + context[..., 0]


def batch(**fields):
    """Two stretches of three steps, the second one of a single valid step."""
    values = {
        "state": torch.arange(6.0).reshape(2, 3, 1),
        "next_state": 10 + torch.arange(6.0).reshape(2, 3, 1),
        "contexts": torch.tensor([[0.5], [0.25]]),
        "act": torch.zeros(2, 3, 1),
        "rew": torch.zeros(2, 3),
        "value": torch.zeros(2, 2),
        "validity_mask": torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]),
        "planned": torch.ones(2, 3),
    }
    return Batch(values | fields)


def test_reward_by_hand():
    function = Scaled(lambda s, c, a: s[..., 0], scale=2.0)
    found = reward_loss(batch(), function, lambda s, c, a, n: s[..., 0] + c[..., 0])
    # Errors .5, 1.5, 2.5 and 3.25 in units of 2.
    expected = (0.5**2 + 1.5**2 + 2.5**2 + 3.25**2) / 4 / 4
    assert found.item() == pytest.approx(expected)


def test_reward_gets_the_next_states():
    function = PlainFunction(lambda s, c, a: s[..., 0])
    rew = batch().next_state[..., 0].clone()
    assert (
        reward_loss(batch(rew=rew), function, lambda s, c, a, n: n[..., 0]).item() == 0
    )


def test_value_by_hand():
    function = Scaled(lambda s, c, a: s[..., 0] + c[..., 0], scale=0.5)
    found = value_loss(batch(value=torch.full((2, 2), 1.0)), function)
    # Of the first k = 2 steps: errors -.5, .5 and 2.25, in units of .5.
    expected = (0.5**2 + 0.5**2 + 2.25**2) / 3 * 4
    assert found.item() == pytest.approx(expected)


def test_value_ignores_random_actions():
    function = PlainFunction(lambda s, c, a: s[..., 0])
    planned = torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    # Only the second step of the first stretch is both planned and valid.
    assert value_loss(batch(planned=planned), function).item() == pytest.approx(1.0)
    none = value_loss(batch(planned=torch.zeros(2, 3)), function)
    assert none.item() == 0.0


def test_what_is_not_valid_may_be_anything():
    rew = torch.tensor([[0.0, 1.0, 2.0], [3.0, 1e15, -1e15]])
    function = PlainFunction(lambda s, c, a: s[..., 0])
    found = reward_loss(batch(rew=rew), function, lambda s, c, a, n: s[..., 0])
    assert found.item() == 0.0


def test_without_functions_there_is_no_loss():
    assert reward_loss(batch(), None, lambda s, c, a, n: s[..., 0]).item() == 0.0
    assert value_loss(batch(), None).item() == 0.0


def test_the_value_loss_reaches_no_encoder():
    state = torch.arange(6.0).reshape(2, 3, 1).requires_grad_()
    contexts = torch.zeros(2, 1, requires_grad=True)
    function = PlainFunction(Weighted())
    value_loss(batch(state=state, contexts=contexts), function).backward()
    assert state.grad is None and contexts.grad is None
    assert function.function.weight.grad is not None


def test_the_reward_loss_reaches_the_encoder():
    state = torch.arange(6.0).reshape(2, 3, 1).requires_grad_()
    contexts = torch.zeros(2, 1, requires_grad=True)
    function = PlainFunction(Weighted())
    reward_loss(
        batch(state=state, contexts=contexts),
        function,
        lambda s, c, a, n: function(s, c, a),
    ).backward()
    assert state.grad[0].abs().min() >= 0 and state.grad[0, 1:].all()
    assert contexts.grad.all()
    assert not state.grad[1, 1:].any()  # not valid


def test_values_are_measured_in_their_own_scale():
    value = ValueNet(1, 1, hidden_sizes=(4,))
    target = torch.tensor([[100.0, 300.0], [200.0, 0.0]])
    inputs = (torch.tensor([[0.0], [5.0]]), torch.tensor([[0.5], [0.25]]))
    value.observe(inputs, torch.tensor([100.0, 300.0]))
    assert value_loss(batch(value=target), value).item() < 10.0  # not 10,000
    assert math.isclose(float(value.output_scale), 100.0)


def test_transitions_are_named():
    names = ("state", "context", "act", "next_state", "terminated", "validity_mask")
    fields = {name: torch.tensor([float(i)]) for i, name in enumerate(names)}
    transitions = as_transitions(Batch(fields))
    assert [float(x) for x in transitions] == [0, 1, 2, 3, 4, 5]
    assert transitions._fields[2] == "action"
