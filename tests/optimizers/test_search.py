import time

import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.optimizers.search import Search


def sequences(*numbers):
    return torch.tensor(numbers).view(1, -1, 1, 1)


def total(x):
    return x.sum((-2, -1))


def test_the_best_of_all_iterations_is_remembered():
    search = Search(total, torch.zeros(1, 1, 1), None)
    for numbers in ((1.0, 5.0), (7.0, 2.0), (3.0, 4.0)):
        elites = search.evaluate(sequences(*numbers), 1)
    best, value = search.best()
    assert best.item() == value.item() == 7.0
    assert elites.values.item() == 4.0


def test_the_fallback_stands_in_where_nothing_is_finite():
    search = Search(lambda x: total(x) * torch.nan, torch.full((1, 1, 1), 0.5), None)
    search.evaluate(sequences(1.0, 2.0), 1)
    best, value = search.best()
    assert best.item() == 0.5
    assert value.item() == -torch.inf


def test_a_deadline_is_looked_at_between_iterations():
    search = Search(total, torch.zeros(1, 1, 1), time.monotonic() + 0.02)
    for _ in search.iterations(1000):
        time.sleep(0.015)
    assert 1 <= search.n_iterations <= 3


def test_gradients_are_those_of_each_candidate():
    search = Search(lambda x: total(x.square()), torch.zeros(1, 1, 1), None)
    with torch.no_grad():
        gradient = search.evaluate_with_gradient(sequences(1.0, -3.0))
    assert gradient.flatten().tolist() == [2.0, -6.0]
    assert search.best()[1].item() == 9.0


@pytest.mark.parametrize(
    "objective",
    [lambda x: total(x.square().sqrt()), lambda x: total(x.clamp(min=0.0).sqrt())],
    ids=["nan", "inf"],
)
def test_a_broken_gradient_stops_its_candidate_only(objective):
    search = Search(objective, torch.zeros(1, 1, 1), None)
    gradient = search.evaluate_with_gradient(sequences(0.0, 1.0))
    assert gradient[0, 0].item() == 0.0
    assert gradient[0, 1].item() in (0.5, 1.0)


@pytest.mark.parametrize(
    "objective",
    [
        lambda x: total(x.detach()),
        lambda x: torch.zeros(x.shape[:2], requires_grad=True),
        lambda x: torch.zeros(x.shape[:2]),
    ],
)
def test_an_objective_without_gradient_is_refused(objective):
    search = Search(objective, torch.zeros(1, 1, 1), None)
    with pytest.raises(ConfigurationError, match="must be differentiable"):
        search.evaluate_with_gradient(sequences(1.0, 2.0))
