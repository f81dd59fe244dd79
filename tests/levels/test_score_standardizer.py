"""Running mean and deviation of scores, against NumPy."""

import copy

import numpy as np
import pytest
import torch

from layeredrl.levels.level import LevelSpec
from layeredrl.levels.score_standardizer import ScoreStandardizer
from tests.levels.notebook import BOX
from tests.same import assert_same

MOMENTUM = 0.1
SPEC = LevelSpec(
    obs_shape=(3,),
    input_space=None,
    action_space=BOX,
    n_instances=1,
    parent_predictor=None,
    decision_interval=1,
    device=torch.device("cpu"),
    seed=np.random.SeedSequence(0),
)


def standardizer(momentum=MOMENTUM):
    return ScoreStandardizer(momentum, SPEC)


def batches(n=6, seed=0):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 40, n)
    return [rng.normal(3.0 * i, 1.0 + i, size) for i, size in enumerate(sizes)]


def tensor(scores):
    return torch.from_numpy(np.asarray(scores, np.float32))


def merged(scores, n_batches=1, momentum=MOMENTUM):
    """Mean and variance of all scores, each batch weighing as much as it should."""
    weights = [1.0]
    for _ in scores[1:]:
        share = 1.0 - (1.0 - momentum) ** n_batches
        weights = [w * (1.0 - share) for w in weights] + [share]
    every = np.concatenate(scores)
    weight = np.concatenate(
        [np.full(len(x), w / len(x)) for x, w in zip(scores, weights, strict=True)]
    )
    mean = np.average(every, weights=weight)
    return mean, np.average((every - mean) ** 2, weights=weight)


@pytest.mark.parametrize("n_batches", [1, 3, 8])
def test_follows_as_if_all_scores_were_weighed_together(n_batches):
    made, seen = standardizer(), []
    point = tensor([-1.0, 0.0, 7.0])
    for scores in batches():
        seen.append(scores)
        made.update(tensor(scores), n_batches)
        if len(scores) == 1 and len(seen) == 1:
            continue
        mean, variance = merged(seen, n_batches)
        expected = (point.numpy() - mean) / np.sqrt(variance)
        np.testing.assert_allclose(made(point), expected, rtol=1e-4, atol=1e-4)


def test_the_first_scores_count_in_full():
    made = standardizer(0.005)
    scores = batches()[3]
    made.update(tensor(scores), 1)
    found = made(tensor(scores))
    assert float(found.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(found.std(unbiased=False)) == pytest.approx(1.0, rel=1e-5)


def test_counting_for_several_batches_is_like_seeing_them_again():
    scores = batches()
    one, many = standardizer(), standardizer()
    for made in (one, many):
        made.update(tensor(scores[1]), 1)
    one.update(tensor(scores[4]), 3)
    for _ in range(3):
        many.update(tensor(scores[4]), 1)
    point = tensor([[0.0, 5.0]])
    torch.testing.assert_close(one(point), many(point))


def test_before_any_scores_nothing_changes_them():
    point = tensor([[1.5, -2.0]])
    assert torch.equal(standardizer()(point), point)


def test_scores_that_are_all_the_same_stay_finite():
    made = standardizer()
    made.update(tensor([2.0]), 1)
    made.update(tensor([2.0, 2.0]), 1)
    assert made(tensor([2.0, 2.0])).tolist() == [0.0, 0.0]
    assert made(tensor([3.0])).isfinite().all()


def test_with_a_momentum_of_one_only_the_last_scores_count():
    made, scores = standardizer(1.0), batches()
    for one in scores:
        made.update(tensor(one), 1)
    expected = (scores[-1] - scores[-1].mean()) / scores[-1].std()
    np.testing.assert_allclose(made(tensor(scores[-1])), expected, rtol=1e-4, atol=1e-5)


def test_the_state_is_a_copy_and_loading_continues():
    made, other, scores = standardizer(), standardizer(), batches()
    made.update(tensor(scores[1]), 1)
    state = made.state_dict()
    before = copy.deepcopy(state)
    other.load_state_dict(state)
    for one in scores[2:]:
        made.update(tensor(one), 1)
        other.update(tensor(one), 1)
    assert_same(before, state)
    assert_same(made.state_dict(), other.state_dict())
    fresh = standardizer()
    fresh.load_state_dict(standardizer().state_dict())
    fresh.update(tensor(scores[5]), 1)
    assert float(fresh(tensor(scores[5])).mean()) == pytest.approx(0.0, abs=1e-4)
