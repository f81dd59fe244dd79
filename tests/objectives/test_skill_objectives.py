"""What skills are paid, against the formula."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.objectives import DADS, SkillOutcomes, SPlaTES
from layeredrl.utils.schedules import LinearSchedule
from tests.objectives.skill_cases import (
    BOX,
    CHOICE,
    STEPS,
    C,
    CountedPredictor,
    Z,
    others_of,
    ratio_by_formula,
    sampler,
    skill_outcomes,
    skill_predictor,
)

N_OTHERS = 7
SPREAD = {"n_skill_samples": N_OTHERS, "fixed_std": 0.8, "clip": 1e3}
KINDS = {
    "splates": SPlaTES(**SPREAD),
    "differences": SPlaTES(**SPREAD, potential_differences=True),
    "dads": DADS(**SPREAD),
}
SPACES = {"box": BOX, "choice": CHOICE}


def scored(objective, predictor, outcomes, space=BOX, n_env_steps=0):
    return objective.score(predictor, outcomes, sampler(space), n_env_steps)


def by_formula(predictor, outcomes, starts, space, std=0.8):
    """Ratios of some (row, state before, state after), drawing as the objective does."""
    skill = outcomes.skill[[row for row, *_ in starts]]
    others = others_of(sampler(space), skill, N_OTHERS)
    return [
        ratio_by_formula(
            predictor,
            before,
            outcomes.context[row],
            outcomes.skill[row],
            others[i],
            after,
            std,
        )
        for i, (row, before, after) in enumerate(starts)
    ]


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


# Against the formula


@pytest.mark.parametrize("whitens", [True, False])
@pytest.mark.parametrize("space", SPACES)
def test_splates_pays_ends_of_skills_for_where_they_led(space, whitens):
    space = SPACES[space]
    predictor, done = skill_predictor(space, whitens), skill_outcomes(space)
    score, is_paid = scored(KINDS["splates"], predictor, done, space)
    assert score.dtype == torch.float32 and score.shape == (8, STEPS)
    np.testing.assert_array_equal(is_paid, done.is_over)
    assert (score[~torch.from_numpy(is_paid)] == 0.0).all()
    ends = [
        (row, done.start[row], done.state[row, step + 1])
        for row, step in np.argwhere(done.is_over)
    ]
    expected = by_formula(predictor, done, ends, space)
    assert np.ptp(expected) > 0.5
    assert_close(score[torch.from_numpy(is_paid)], expected)


@pytest.mark.parametrize("space", SPACES)
def test_dads_pays_every_step_for_the_change_that_it_made(space):
    space = SPACES[space]
    predictor, done = skill_predictor(space), skill_outcomes(space)
    score, is_paid = scored(KINDS["dads"], predictor, done, space)
    assert score.dtype == torch.float32
    np.testing.assert_array_equal(is_paid, done.is_valid)
    steps = [
        (row, done.state[row, step], done.state[row, step + 1])
        for row, step in np.argwhere(done.is_valid)
    ]
    expected = by_formula(predictor, done, steps, space)
    assert_close(score[torch.from_numpy(is_paid)], expected)
    assert (score[~torch.from_numpy(is_paid)] == 0.0).all()


@pytest.mark.parametrize("space", SPACES)
def test_potential_differences_add_up_to_the_end_less_the_start(space):
    space = SPACES[space]
    predictor, done = skill_predictor(space), skill_outcomes(space)
    score, is_paid = scored(KINDS["differences"], predictor, done, space)
    assert score.dtype == torch.float32
    np.testing.assert_array_equal(is_paid, done.is_valid)
    assert (score[~torch.from_numpy(is_paid)] == 0.0).all()
    length = done.is_valid.sum(1)
    ends = [(row, done.start[row], done.state[row, length[row]]) for row in range(8)]
    starts = [(row, done.start[row], done.state[row, 0]) for row in range(8)]
    end, start = (by_formula(predictor, done, x, space) for x in (ends, starts))
    assert_close(score.sum(1), np.subtract(end, start))


def test_skills_that_begin_in_the_midst_are_judged_from_their_start():
    """Where earlier decisions have been overwritten the start is still known."""
    predictor, done = skill_predictor(), skill_outcomes()
    moved = done._replace(start=done.start + 1.0)
    for kind in ("splates", "differences"):
        before, after = (scored(KINDS[kind], predictor, x)[0] for x in (done, moved))
        assert (before != after).any()
    same = [scored(KINDS["dads"], predictor, x)[0] for x in (done, moved)]
    torch.testing.assert_close(*same)


# Five skills lead far in directions of their own.
AWAY = 100.0 * torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]])


@pytest.mark.parametrize("kind", KINDS)
def test_a_skill_is_worth_most_where_it_alone_explains_what_happened(kind):
    """The logarithm of the number of skills; the lowest where another one explains it."""
    predictor = skill_predictor(CHOICE, whitens=False)
    predictor.predict_standardized = _led_away
    done = SkillOutcomes(
        skill=torch.eye(5),
        start=torch.ones(5, Z),
        context=torch.zeros(5, C),
        state=1.0 + torch.stack([torch.zeros(5, Z), AWAY], dim=1),
        is_over=np.ones((5, 1), bool),
        is_valid=np.ones((5, 1), bool),
    )
    objective = replace(KINDS[kind], clip=50.0)
    score, _ = scored(objective, predictor, done, CHOICE)
    assert_close(score, np.full((5, 1), np.log(5.0)))
    strayed = done._replace(skill=torch.eye(5).roll(1, dims=0))
    score, _ = scored(objective, predictor, strayed, CHOICE)
    assert_close(score, np.full((5, 1), -50.0))


def _led_away(state, context, action):
    means = (action @ AWAY).unsqueeze(1)
    return means, means.new_ones(len(means), 1), means.new_zeros(len(means))


# What is not evaluated


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_asked_for_what_is_paid_only(kind):
    predictor, done = CountedPredictor(skill_predictor()), skill_outcomes()
    scored(KINDS[kind], predictor, done)
    rows = {"splates": 4, "differences": 8, "dads": int(done.is_valid.sum())}[kind]
    assert predictor.rows == [rows * (N_OTHERS + 1)]


def test_where_no_skill_is_over_nothing_is_asked_and_nothing_paid():
    predictor, done = CountedPredictor(skill_predictor()), skill_outcomes()
    drawing = sampler()
    before = drawing.generator.get_state()
    going_on = done._replace(is_over=np.zeros_like(done.is_over))
    score, is_paid = KINDS["splates"].score(predictor, going_on, drawing, 0)
    assert predictor.rows == [] and not is_paid.any()
    assert score.shape == (8, STEPS) and not score.any()
    assert torch.equal(before, drawing.generator.get_state())


def test_ends_beyond_what_was_done_do_not_count():
    predictor, done = skill_predictor(), skill_outcomes()
    repeated = done._replace(is_over=done.is_over | ~done.is_valid)
    found = [scored(KINDS["splates"], predictor, x) for x in (done, repeated)]
    np.testing.assert_array_equal(found[0][1], found[1][1])
    torch.testing.assert_close(found[0][0], found[1][0])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_stay_away(kind):
    predictor, done = skill_predictor(), skill_outcomes()
    assert not scored(KINDS[kind], predictor, done)[0].requires_grad


# Bounds


def test_scores_stay_within_the_clip():
    predictor, done = skill_predictor(), skill_outcomes(n=40)
    sharp = SPlaTES(N_OTHERS, fixed_std=1e-3, clip=2.0)
    score, is_paid = scored(sharp, predictor, done)
    found = score[torch.from_numpy(is_paid)]
    assert found.min() == -2.0 and found.max() <= 2.0


@pytest.mark.parametrize("kind", ["splates", "dads"])
def test_what_is_no_number_counts_as_the_lowest(kind):
    predictor, done = skill_predictor(), skill_outcomes()
    row, step = np.argwhere(done.is_over)[0]
    done.state[row, step + 1] = float("nan")
    plain, _ = scored(KINDS[kind], predictor, skill_outcomes())
    score, _ = scored(replace(KINDS[kind], clip=50.0), predictor, done)
    assert float(score[row, step]) == -50.0
    assert score.isfinite().all()
    torch.testing.assert_close(score[row + 1 :], plain[row + 1 :].clamp(-50, 50))


def test_infinitely_far_is_the_lowest_too():
    predictor, done = skill_predictor(), skill_outcomes()
    done.state.fill_(1e30)
    score, is_paid = scored(replace(KINDS["splates"], clip=9.0), predictor, done)
    assert (score[torch.from_numpy(is_paid)] == -9.0).all()


# Numbers


@pytest.mark.parametrize("kind", KINDS)
def test_the_length_of_repulsion_may_change_with_time(kind):
    predictor, done = skill_predictor(), skill_outcomes()
    changing = replace(KINDS[kind], fixed_std=LinearSchedule(2.0, 0.5, 1000))
    found = {}
    for n_env_steps, std in ((0, 2.0), (500, 1.25), (4000, 0.5)):
        score, _ = scored(changing, predictor, done, n_env_steps=n_env_steps)
        expected, _ = scored(replace(KINDS[kind], fixed_std=std), predictor, done)
        torch.testing.assert_close(score, expected)
        found[std] = score
    assert (found[2.0] != found[0.5]).any()


def test_a_length_that_comes_to_nothing_is_refused_when_it_does():
    predictor, done = skill_predictor(), skill_outcomes()
    falling = SPlaTES(fixed_std=LinearSchedule(1.0, -1.0, 10))
    assert scored(falling, predictor, done, n_env_steps=4)[0].any()
    with pytest.raises(ConfigurationError, match="fixed_std.*after 5 steps"):
        scored(falling, predictor, done, n_env_steps=5)


@pytest.mark.parametrize("objective", [SPlaTES, DADS])
@pytest.mark.parametrize(
    "wrong",
    [
        {"n_skill_samples": 0},
        {"fixed_std": 0.0},
        {"fixed_std": -0.5},
        {"fixed_std": LinearSchedule(0.0, 1.0, 10)},
        {"clip": 0.0},
        {"clip": -1.0},
        {"standardizer_momentum": 0.0},
        {"standardizer_momentum": 1.5},
    ],
)
def test_numbers_that_cannot_work_are_refused(objective, wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(ConfigurationError) as error:
        objective(**wrong)
    assert name in str(error.value) and str(value) in str(error.value)


@pytest.mark.parametrize("name", ["fixed_std", "clip"])
def test_numbers_that_are_none_are_refused(name):
    with pytest.raises(ConfigurationError, match=name):
        SPlaTES(**{name: float("nan")})


def test_only_whole_skills_show_their_start():
    assert SPlaTES().shows_start and not DADS().shows_start
