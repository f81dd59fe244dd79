"""Skills drawn at random: where from, and again."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from scipy.stats import kstest

from layeredrl.errors import SpaceError
from tests.objectives.skill_cases import BOX, CHOICE, sampler


def test_boxes_are_filled_evenly():
    space = spaces.Box(
        np.array([[-3.0, 0.5], [1e3, -1e-3]]), np.array([[-1.0, 4.0], [1e3, 1e-3]])
    )
    drawn = sampler(space).draw(500, 4)
    assert drawn.shape == (500, 4, 4) and drawn.dtype == torch.float32
    low, high = (x.flatten().astype(np.float32) for x in (space.low, space.high))
    rows = drawn.reshape(-1, 4).numpy()
    assert (rows >= low).all() and (rows <= high).all()
    for column in (0, 1, 3):
        width = high[column] - low[column]
        share = (rows[:, column] - low[column]) / width
        assert kstest(share, "uniform").pvalue > 1e-3
    assert (rows[:, 2] == 1e3).all()
    assert abs(np.corrcoef(rows[:, 0], rows[:, 1])[0, 1]) < 0.1


def test_choices_are_one_hot_and_all_come():
    drawn = sampler(CHOICE).draw(400, 3)
    assert drawn.shape == (400, 3, 5) and drawn.dtype == torch.float32
    assert (drawn.sum(-1) == 1.0).all() and (drawn.max(-1).values == 1.0).all()
    share = drawn.mean((0, 1))
    torch.testing.assert_close(share, torch.full((5,), 0.2), atol=0.05, rtol=0)


def test_the_alternatives_of_a_choice_are_all_the_others_once():
    skills = torch.eye(5)[[3, 0, 4, 3]]
    drawing = sampler(CHOICE)
    before = drawing.generator.get_state()
    others = drawing.alternatives(skills, n=2)  # their number does not matter
    assert others.shape == (4, 4, 5)
    together = torch.cat([skills.unsqueeze(1), others], 1).argmax(-1)
    assert together.sort(-1).values.tolist() == [[0, 1, 2, 3, 4]] * 4
    assert torch.equal(before, drawing.generator.get_state())


def test_the_alternatives_in_a_box_are_drawn_anew_for_each():
    drawing, again = sampler(BOX), sampler(BOX)
    skills = torch.zeros(6, 2)
    others = drawing.alternatives(skills, n=9)
    torch.testing.assert_close(others, again.draw(6, 9))
    assert len(others[..., 0].unique()) == 54


@pytest.mark.parametrize("space", [BOX, CHOICE])
def test_the_generator_is_its_own_and_can_be_restored(space):
    torch.manual_seed(0)
    one, same, other = sampler(space), sampler(space), sampler(space, seed=1)
    shared = torch.get_rng_state()
    first = one.draw(50)
    assert torch.equal(shared, torch.get_rng_state())
    assert torch.equal(first, same.draw(50))
    assert not torch.equal(first, other.draw(50))
    other.generator.set_state(one.generator.get_state())
    assert torch.equal(one.draw(50), other.draw(50))


@pytest.mark.parametrize(
    "space", [spaces.Box(-np.inf, 1.0, (2,)), spaces.MultiDiscrete([2, 3])]
)
def test_spaces_without_a_uniform_distribution_are_refused(space):
    with pytest.raises(SpaceError):
        sampler(space)
