import numpy as np
import pytest
import torch

from layeredrl.errors import ShapeError, SpaceError
from layeredrl.optimizers import Bounds


def test_derived_numbers():
    bounds = Bounds([-1.0, 0.0], [3.0, 1.0])
    assert len(bounds) == 2
    assert bounds.center.tolist() == [1.0, 0.5]
    assert bounds.half_range.tolist() == [2.0, 0.5]


@pytest.mark.parametrize("horizon", [1, 3])
def test_clipping(horizon):
    bounds = Bounds([-1.0, 0.0], [3.0, 1.0])
    sequences = torch.tensor([-5.0, 5.0]).repeat(2, horizon, 1)
    clipped = bounds.clip(sequences)
    assert clipped.equal(torch.tensor([-1.0, 1.0]).repeat(2, horizon, 1))
    assert sequences[0, 0].tolist() == [-5.0, 5.0]
    assert bounds.clip_(sequences) is sequences
    assert sequences.equal(clipped)


def test_horizons_may_alternate():
    bounds = Bounds([-1.0], [1.0])
    for horizon in (2, 5, 2, 1):
        assert bounds.clip(torch.full((horizon, 1), 7.0)).equal(torch.ones(horizon, 1))


@pytest.mark.parametrize("convert", [np.float32, np.float64])
def test_later_changes_of_the_arrays_do_not_matter(convert):
    low = np.array([-1.0, -2.0], dtype=convert)
    bounds = Bounds(low, torch.tensor([1.0, 2.0]))
    low[:] = 0.0
    assert bounds.low.tolist() == [-1.0, -2.0]
    assert bounds.low.dtype == torch.float32


def test_a_range_as_wide_as_floats_go_does_not_overflow():
    largest = torch.finfo(torch.float32).max
    bounds = Bounds([-largest], [largest])
    assert bounds.center.item() == 0.0
    assert bounds.half_range.item() == largest


@pytest.mark.parametrize(
    "low, high",
    [
        ([0.0, 0.0], [1.0]),
        ([[0.0]], [[1.0]]),
        (0.0, 1.0),
        ([], []),
    ],
)
def test_shapes_that_do_not_fit_are_refused(low, high):
    with pytest.raises(ShapeError, match="vectors of one length"):
        Bounds(low, high)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bounds_that_are_not_finite_are_refused(bad):
    with pytest.raises(SpaceError, match="must be finite"):
        Bounds([0.0, bad], [1.0, 1.0])
    with pytest.raises(SpaceError, match="must be finite"):
        Bounds([0.0, 0.0], [1.0, bad])


@pytest.mark.parametrize("high", [0.0, -1.0])
def test_an_empty_range_is_refused(high):
    with pytest.raises(SpaceError, match="low must be below high"):
        Bounds([0.0, 0.0], [1.0, high])
