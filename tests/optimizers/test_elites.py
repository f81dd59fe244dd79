import math

import pytest
import torch

from layeredrl.optimizers.elites import (
    finite_or_last,
    refit_step,
    select_elites,
    softmax_weights,
    uniform_weights,
)

LAST = -torch.inf


def test_whatever_is_not_finite_comes_last():
    values = torch.tensor([[1.0, torch.nan, torch.inf, -torch.inf, -5.0]])
    assert finite_or_last(values).tolist() == [[1.0, LAST, LAST, LAST, -5.0]]


def test_each_instance_gets_its_own_elites():
    candidates = torch.arange(12.0).view(2, 3, 2, 1)
    values = torch.tensor([[1.0, 3.0, 2.0], [LAST, LAST, -7.0]])
    elites = select_elites(candidates, values, 2)
    assert elites.values.tolist() == [[3.0, 2.0], [-7.0, LAST]]
    assert elites.sequences[0].equal(candidates[0, [1, 2]])
    assert elites.sequences[1, 0].equal(candidates[1, 2])


def test_uniform_weights_count_the_finite_ones_only():
    values = torch.tensor([[3.0, 2.0, 1.0], [3.0, LAST, LAST], [LAST, LAST, LAST]])
    third = 1.0 / 3.0
    expected = torch.tensor([[third] * 3, [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert uniform_weights(values).allclose(expected)


def test_softmax_weights_by_hand():
    values = torch.tensor([[4.0, 3.0, 1.0, LAST]])
    terms = [1.0, math.exp(-0.5), math.exp(-1.5), 0.0]
    expected = torch.tensor([[term / sum(terms) for term in terms]])
    assert softmax_weights(values, 2.0).allclose(expected)
    assert softmax_weights(values + 1000.0, 2.0).allclose(expected)


@pytest.mark.parametrize("temperature", [1e-30, 1e-3, 1.0, 1e6])
def test_softmax_weights_survive_any_scale(temperature):
    values = torch.tensor([[3e38, -3e38, LAST], [LAST, LAST, LAST], [-1.0, -2.0, -3.0]])
    weights = softmax_weights(values, temperature)
    assert weights.isfinite().all()
    assert weights.sum(1).allclose(torch.tensor([1.0, 0.0, 1.0]))
    assert weights[0, 0] == 1.0


def test_nothing_moves_where_nothing_is_finite():
    values = torch.tensor([[1.0, LAST], [LAST, LAST]])
    assert refit_step(values, 0.25).flatten().tolist() == [0.75, 0.0]
