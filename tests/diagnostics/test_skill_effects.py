import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.diagnostics import (
    SkillBins,
    mean_per_bin,
    skill_bins,
    skill_outcomes,
    spread_rows,
    spread_skills,
)
from layeredrl.errors import ConfigurationError, SpaceError
from tests.diagnostics.worlds import STEP, predictor
from tests.toys import ACTIONS, ensemble, reward_predictor, unbounded

CHOICES = spaces.Discrete(5, start=3)


def box(dim, low=-1.0, high=1.0):
    return spaces.Box(low, high, (dim,), np.float32)


def test_spread_skills_show_what_there_is():
    assert np.array_equal(spread_skills(CHOICES), np.eye(5))
    assert len(spread_skills(CHOICES, 3)) == 3
    assert spread_skills(box(1, 0.0, 4.0), 3).tolist() == [[0.0], [2.0], [4.0]]
    ring = spread_skills(box(2, 1.0, 3.0), 8)
    assert np.allclose(np.linalg.norm(ring - 2.0, axis=-1), 1.0)
    ends = spread_skills(box(3), 16)
    assert ends[:3].tolist() == [[1, 0, 0], [-1, 0, 0], [0, 1, 0]] and len(ends) == 6
    for space in (box(1), box(2), box(3)):
        assert all(space.contains(skill) for skill in spread_skills(space, 16))


def test_bins_of_choices_and_grids():
    chosen = np.eye(5, dtype=np.float32)[[4, 0, 4]]
    assert skill_bins(chosen, CHOICES).bin_of.tolist() == [4, 0, 4]
    skills = np.array([[-1.0, -1.0], [1.0, 1.0], [-0.9, 0.9], [0.0, 0.0]])
    bins = skill_bins(skills, ACTIONS, 3)
    assert bins.shape == (3, 3)
    assert bins.bin_of.tolist() == [0, 8, 2, 4]
    assert np.allclose(bins.center[2], [-2 / 3, 2 / 3])


def test_bins_of_many_features_are_directions():
    skills = np.array([[0.1, -0.9, 0.2], [0.5, 0.1, 0.1], [0.0, 0.0, -0.1]])
    bins = skill_bins(skills, box(3))
    assert bins.shape == (6,) and bins.bin_of.tolist() == [3, 0, 5]
    assert bins.center[3].tolist() == [0.0, -1.0, 0.0]


def test_means_per_bin():
    bins = SkillBins(np.zeros((3, 1)), np.array([0, 0, 2, 2]), (3,))
    mean, count = mean_per_bin(np.array([1.0, 3.0, 5.0, np.nan]), bins)
    assert mean[0] == 2.0 and np.isnan(mean[1]) and mean[2] == 5.0
    assert count.tolist() == [2, 0, 1]


def test_outcomes_are_those_of_the_mixture():
    learned = reward_predictor(
        model=ensemble(n_models=2, n_modes=2, sb_start_duration=0)
    )
    model = learned.model
    state = np.array([[0.0, 0.0], [1.0, -1.0]], np.float32)
    context = np.zeros((2, 0), np.float32)
    skills = spread_skills(ACTIONS, 4)
    outcomes = skill_outcomes(learned, state, context, skills)
    assert outcomes.mean.shape == outcomes.std.shape == (2, 4, 2)
    with torch.no_grad():
        drawn = model.rollout(
            torch.from_numpy(state[1:]).repeat(20_000, 1),
            torch.zeros(20_000, 0),
            torch.from_numpy(skills[2]).repeat(20_000, 1, 1),
            generator=torch.Generator().manual_seed(0),
        )
    drawn = drawn.state[:, :, :, 1].reshape(-1, 2).numpy()
    assert np.allclose(drawn.mean(0), outcomes.mean[1, 2], atol=0.05)
    assert np.allclose(drawn.std(0), outcomes.std[1, 2], rtol=0.05)


def test_skills_are_kept_for_several_steps():
    skills = spread_skills(ACTIONS, 4)
    state, context = np.ones((1, 2), np.float32), np.zeros((1, 0), np.float32)
    generator = torch.Generator().manual_seed(0)
    outcomes = skill_outcomes(predictor(0.1), state, context, skills, 4, generator)
    assert np.allclose(outcomes.mean[0], 1.0 + 4 * STEP * skills, atol=0.08)
    assert np.allclose(outcomes.std, 0.2, rtol=0.3)


def test_spread_rows_are_far_from_each_other():
    points = np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 0.0], [-5.0, 0.0], [0.0, 0.1]])
    assert set(spread_rows(points, 3)[1:]) == {2, 3}
    assert len(spread_rows(points, 9)) == 5


def test_mistakes_are_named():
    with pytest.raises(ConfigurationError, match="n=1"):
        spread_skills(ACTIONS, 1)
    with pytest.raises(SpaceError, match="bounds"):
        spread_skills(unbounded(2))
    with pytest.raises(ConfigurationError, match="got 0"):
        skill_bins(np.zeros((1, 2)), ACTIONS, 0)
