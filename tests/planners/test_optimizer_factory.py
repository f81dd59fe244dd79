from functools import partial

import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import SpaceError
from layeredrl.optimizers import ICEM, CategoricalCEM, Gradient, RandomShooting
from layeredrl.planners.optimizer_factory import box_bounds, build_optimizer
from tests.toys import unbounded

CPU = torch.device("cpu")


def test_bounds_are_flat_and_within_the_box():
    low, high = box_bounds(spaces.Box(-2, np.arange(1, 7).reshape(2, 3), (2, 3)))
    assert low.tolist() == [-2.0] * 6 and high.tolist() == [1, 2, 3, 4, 5, 6]
    space = spaces.Box(-0.1, 0.1, (1,), np.float64)
    for bound in box_bounds(space):
        assert space.contains(bound.astype(np.float64))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (unbounded(2), "bounds on all actions.*RescaleAction"),
        (spaces.Box(0, np.inf, (2,)), "bounds on all actions"),
        (spaces.Discrete(3), "CategoricalCEM"),
        (spaces.MultiBinary(3), "needs a Box"),
    ],
)
def test_what_has_no_bounds_is_named(space, message):
    with pytest.raises(SpaceError, match=message):
        box_bounds(space)


def test_optimizers_get_what_they_need():
    calls = []

    def recording(*args, device):
        calls.append((args, device))
        return RandomShooting([-1.0], [1.0])

    build_optimizer(recording, spaces.Box(-1, 2, (2,)), CPU)
    build_optimizer(recording, spaces.Discrete(7, start=3), CPU)
    (bounds, device), (count, _) = calls
    assert [b.tolist() for b in bounds] == [[-1, -1], [2, 2]] and device == CPU
    assert count == (7,)


@pytest.mark.parametrize(
    ("optimizer", "space"),
    [
        (CategoricalCEM, spaces.Box(-1, 1, (2,))),
        (partial(CategoricalCEM), spaces.Box(-1, 1, (2,))),
        (ICEM, spaces.Discrete(3)),
        (Gradient, spaces.Discrete(3)),
        (ICEM, spaces.MultiDiscrete([2, 2])),
        (ICEM, unbounded(1)),
    ],
)
def test_optimizers_that_cannot_search_a_space_are_named(optimizer, space):
    with pytest.raises(SpaceError):
        build_optimizer(optimizer, space, CPU)
