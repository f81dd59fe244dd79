import copy

import pytest
import torch
from torch import nn

from layeredrl.predictors.grouped_adam import GroupedAdam
from layeredrl.utils.schedules import ConstantSchedule, LinearSchedule


def build(clip=None, first=None, second=None):
    g = torch.Generator().manual_seed(0)
    parameters = {
        "a": [nn.Parameter(torch.randn(3, generator=g))],
        "b": [nn.Parameter(torch.randn(2, 2, generator=g))],
        "none": [],
    }
    schedules = {
        "a": first or ConstantSchedule(0.1),
        "b": second or ConstantSchedule(0.01),
        "none": ConstantSchedule(1.0),
    }
    return (
        GroupedAdam(parameters, schedules, clip),
        parameters["a"][0],
        parameters["b"][0],
    )


def loss_of(a, b, scale=1.0):
    return scale * (a.square().sum() + 3 * b.square().sum())


def test_is_one_adam():
    adam, a, b = build()
    copies = [nn.Parameter(p.detach().clone()) for p in (a, b)]
    reference = torch.optim.Adam(
        [{"params": [copies[0]], "lr": 0.1}, {"params": [copies[1]], "lr": 0.01}]
    )
    for _ in range(5):
        adam.step(loss_of(a, b))
        reference.zero_grad()
        loss_of(*copies).backward()
        reference.step()
    torch.testing.assert_close(a, copies[0])
    torch.testing.assert_close(b, copies[1])


def test_clips_the_norm_of_all_gradients_together():
    adam, a, b = build(clip=1.0)
    # Each group alone is below the limit; together they are above it.
    loss = (a * torch.tensor([0.9, 0.0, 0.0])).sum() + 0.9 * b[0, 0]
    norm = adam.step(loss)
    assert float(norm) == pytest.approx(0.9 * 2**0.5)
    total = (a.grad.square().sum() + b.grad.square().sum()).sqrt()
    assert float(total) == pytest.approx(1.0, rel=1e-4)
    torch.testing.assert_close(a.grad[0], b.grad[0, 0])  # the direction stays


@pytest.mark.parametrize("clip", [None, 1e6])
def test_small_gradients_are_left_alone(clip):
    adam, a, b = build(clip=clip)
    expected = 2 * a.detach().clone()
    norm = adam.step(loss_of(a, b))
    torch.testing.assert_close(a.grad, expected)
    total = (a.grad.square().sum() + b.grad.square().sum()).sqrt()
    torch.testing.assert_close(norm, total)


def test_schedules_reach_their_groups():
    adam, a, b = build(
        first=LinearSchedule(0.0, 1.0, 100), second=ConstantSchedule(0.0)
    )
    before = a.detach().clone(), b.detach().clone()
    adam.set_learning_rates(0)
    adam.step(loss_of(a, b))
    assert torch.equal(a, before[0])
    adam.set_learning_rates(50)
    assert adam.learning_rates == {"a": 0.5, "b": 0.0, "none": 1.0}
    adam.step(loss_of(a, b))
    assert not torch.equal(a, before[0])
    assert torch.equal(b, before[1])


def test_parameters_that_a_loss_ignores_stay():
    adam, a, b = build()
    adam.step(loss_of(a, b))
    before = b.detach().clone()
    for _ in range(3):  # momentum must not move it either
        adam.step(a.square().sum())
    assert torch.equal(b, before)


@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_loss_without_gradient_changes_nothing(clip):
    adam, a, b = build(clip=clip)
    before = a.detach().clone()
    assert float(adam.step(torch.zeros(()))) == 0.0
    assert torch.equal(a, before)


@pytest.mark.parametrize("clip", [None, 1.0])
def test_nothing_to_learn_is_legal(clip):
    adam = GroupedAdam({"a": []}, {"a": ConstantSchedule(0.1)}, clip)
    assert float(adam.step(torch.zeros(()))) == 0.0
    adam.load_state_dict(adam.state_dict())


def test_state_continues_identically_and_is_a_copy():
    adam, a, b = build()
    for _ in range(3):
        adam.step(loss_of(a, b))
    state = adam.state_dict()
    kept = copy.deepcopy(state)
    other, a2, b2 = build()
    a2.data.copy_(a)
    b2.data.copy_(b)
    other.load_state_dict(state)
    for _ in range(3):
        adam.step(loss_of(a, b))
        other.step(loss_of(a2, b2))
    assert torch.equal(a, a2) and torch.equal(b, b2)
    for index, moments in kept["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, state["state"][index][name])
