import pytest
import torch

from layeredrl.optimizers import Bounds
from layeredrl.optimizers.adam_ascent import AdamAscent

BOUNDS = Bounds([-2.0, 0.0], [2.0, 10.0])


def climb(start, gradient, n_steps=1, projection="clip", lr=0.1):
    ascent = AdamAscent(
        torch.tensor(start).view(1, 1, 1, 2), BOUNDS, lr=lr, projection=projection
    )
    for _ in range(n_steps):
        ascent.step(torch.tensor(gradient).view(1, 1, 1, 2))
    return ascent.sequences.flatten()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_the_first_step_is_the_rate_in_half_ranges(scale):
    moved = climb([0.0, 5.0], [scale, -scale])
    assert moved.allclose(torch.tensor([0.2, 4.5]), atol=1e-3)


@pytest.mark.parametrize("projection", ["clip", "squash"])
def test_a_long_climb_ends_at_the_bounds(projection):
    moved = climb([0.0, 5.0], [1.0, -1.0], 200, projection)
    assert moved.allclose(torch.tensor([2.0, 0.0]), atol=0.01)
    assert moved[0] <= 2.0 and moved[1] >= 0.0


@pytest.mark.parametrize("projection", ["clip", "squash"])
def test_starts_on_the_bounds_can_leave_them(projection):
    moved = climb([2.0, 0.0], [-1.0, 1.0], 20, projection, lr=0.5)
    assert moved[0] < 1.0 and moved[1] > 2.0


@pytest.mark.parametrize("projection", ["clip", "squash"])
def test_no_gradient_no_step(projection):
    assert climb([1.0, 3.0], [0.0, 0.0], 3, projection).allclose(
        torch.tensor([1.0, 3.0]), atol=1e-5
    )


def test_steps_leave_earlier_sequences_alone():
    ascent = AdamAscent(torch.zeros(1, 1, 1, 2), BOUNDS, lr=0.1, projection="clip")
    kept = []
    for _ in range(3):
        kept.append((ascent.sequences, ascent.sequences.clone()))
        ascent.step(torch.ones(1, 1, 1, 2))
    assert all(sequences.equal(copy) for sequences, copy in kept)
