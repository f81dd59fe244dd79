import time
from functools import partial

import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.optimizers import (
    CEM,
    ICEM,
    CategoricalCEM,
    CEMConfig,
    ICEMConfig,
    Refined,
    RefinedConfig,
)

HORIZON = 12
SEARCH = partial(ICEM, config=ICEMConfig(n_iterations=3, n_candidates=64))


class Hidden:
    """A target each, that samples find roughly among the other dimensions."""

    def __init__(self, n_instances=4):
        generator = torch.Generator().manual_seed(1)
        self.target = torch.rand(n_instances, 1, HORIZON, 2, generator=generator) - 0.5
        self.shapes = []

    def __call__(self, x):
        self.shapes.append(x.shape[1])
        return -(x - self.target).square().sum((-2, -1))


def build(search=SEARCH, **settings):
    return Refined(
        [-1.0] * 2, [1.0] * 2, RefinedConfig(**settings), partial_search=search
    )


def solve(optimizer, objective, **kwargs):
    mean = optimizer.initial_mean(4, HORIZON)
    generator = torch.Generator().manual_seed(0)
    return optimizer.optimize(objective, mean, generator, **kwargs)


def test_gets_closer_than_its_search_by_a_few_evaluations_more():
    plain, refined = Hidden(), Hidden()
    sampled = solve(SEARCH([-1.0] * 2, [1.0] * 2), plain)
    climbed = solve(build(n_steps=10), refined)
    assert refined.shapes == plain.shapes + [1] * (10 + 1)
    assert (climbed.best_value > 0.2 * sampled.best_value).all()
    assert climbed.chosen.equal(climbed.best)
    assert climbed.n_iterations == sampled.n_iterations + 10


def test_the_next_search_starts_where_the_samples_were():
    sampled = solve(SEARCH([-1.0] * 2, [1.0] * 2), Hidden())
    climbed = solve(build(), Hidden())
    for name in ("mean", "std", "elites"):
        assert getattr(climbed, name).equal(getattr(sampled, name))


def test_what_the_search_carries_over_is_carried_over():
    search, refined = SEARCH([-1.0] * 2, [1.0] * 2), build()
    solution = solve(refined, Hidden())
    carried = refined.carry_over(solution)
    assert carried.equal(search.carry_over(solution)) and carried.shape[1] > 0
    assert refined.initial_mean(3, 5).equal(search.initial_mean(3, 5))


def test_steps_that_lead_astray_are_not_taken():
    sampled = solve(SEARCH([-1.0] * 2, [1.0] * 2), Hidden())
    climbed = solve(build(lr=5.0, n_steps=2), Hidden())
    assert climbed.best_value.equal(sampled.best_value)
    assert climbed.chosen.equal(sampled.best)


def test_it_is_too_late_to_climb_where_it_was_to_search_on():
    objective = Hidden()
    late = time.monotonic() - 1.0
    solution = solve(build(), objective, deadline=late)
    assert solution.n_iterations == 1
    assert objective.shapes == [64]


def test_any_search_within_bounds_will_do():
    cem = partial(CEM, config=CEMConfig(n_iterations=2, n_candidates=32))
    objective = Hidden()
    solution = solve(build(cem, n_steps=20, lr=0.1), objective)
    assert (solution.best_value > -0.05).all()


def test_a_search_over_choices_is_refused():
    with pytest.raises(ConfigurationError, match="CategoricalCEM"):
        Refined(
            [0.0],
            [1.0],
            partial_search=lambda low, high, device: CategoricalCEM(3, device=device),
        )


@pytest.mark.parametrize(
    "wrong", [{"n_steps": 0}, {"lr": 0.0}, {"projection": "bounce"}]
)
def test_numbers_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigurationError, match=list(wrong)[0]):
        RefinedConfig(**wrong)
