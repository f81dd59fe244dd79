import itertools

import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.optimizers import CategoricalCEM, CategoricalCEMConfig
from layeredrl.optimizers.categorical_cem import _draw


def one_hot(*choices, n_categories=3):
    return torch.eye(n_categories)[list(choices)]


def record(config, generator, n_categories=3, **kwargs):
    seen = []

    def objective(x):
        seen.append(x)
        return x[..., 0].sum(-1)

    optimizer = CategoricalCEM(n_categories, config)
    mean = optimizer.initial_mean(1, 4)
    return optimizer.optimize(objective, mean, generator, **kwargs), seen


def test_it_finds_the_best_of_all_sequences(generator):
    n_categories, horizon = 4, 5
    source = torch.Generator().manual_seed(1)
    table = torch.randn(horizon, n_categories, n_categories, generator=source)

    def value(choices):
        pairs = zip(choices, choices[1:])
        return sum(table[t, a, b].item() for t, (a, b) in enumerate(pairs))

    def objective(x):
        return torch.einsum(
            "bkti,tij,bktj->bk", x[..., :-1, :], table[:-1], x[..., 1:, :]
        )

    best = max(itertools.product(range(n_categories), repeat=horizon), key=value)
    optimizer = CategoricalCEM(
        n_categories,
        CategoricalCEMConfig(n_iterations=10, return_mode="best"),
    )
    solution = optimizer.optimize(
        objective, optimizer.initial_mean(4, horizon), generator
    )
    assert (solution.chosen.argmax(-1) == torch.tensor(best)).all()
    assert solution.best_value.allclose(torch.tensor(value(best)))


def test_candidates_are_one_hot(generator):
    _, seen = record(CategoricalCEMConfig(), generator)
    for candidates in seen:
        assert candidates.dtype == torch.float32
        assert ((candidates == 0) | (candidates == 1)).all()
        assert (candidates.sum(-1) == 1).all()


def test_draws_have_the_given_probabilities(generator):
    probs = torch.tensor([[[0.5, 0.0, 0.2, 0.3], [0.0, 1.0, 0.0, 0.0]]])
    share = _draw(probs, 40_000, generator).mean(1)
    assert (share - probs).abs().max() < 0.01
    assert (share[probs == 0] == 0).all()


def test_one_iteration_by_hand(generator):
    config = CategoricalCEMConfig(
        n_iterations=1,
        n_candidates=40,
        elite_ratio=0.25,
        momentum=0.2,
        uniform_share=0.3,
    )
    solution, (candidates,) = record(config, generator)
    order = candidates[..., 0].sum(-1)[0].topk(10).indices
    share = candidates[0, order].mean(0)
    third = 1.0 / 3.0
    expected = 0.2 * third + 0.8 * (0.7 * share + 0.3 * third)
    assert solution.mean[0].allclose(expected, atol=1e-6)
    assert solution.mean.sum(-1).allclose(torch.ones(()))
    assert solution.std.square().allclose(solution.mean * (1 - solution.mean))


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_a_uniform_share_keeps_every_choice_alive(share, generator):
    config = CategoricalCEMConfig(n_iterations=40, momentum=0.0, uniform_share=share)
    solution, _ = record(config, generator)
    assert solution.mean.min().item() == pytest.approx(share / 3, abs=1e-6)


def test_return_modes(generator):
    mean, _ = record(CategoricalCEMConfig(return_mode="mean"), generator)
    assert mean.chosen.equal(one_hot(0, 0, 0, 0)[None])
    best, _ = record(CategoricalCEMConfig(return_mode="best"), generator)
    assert best.chosen.equal(best.best)
    config = CategoricalCEMConfig(return_mode="sample", uniform_share=0.9)
    sample, _ = record(config, generator)
    assert (sample.chosen.sum(-1) == 1).all()


def test_candidates_count_as_their_largest_entry(generator):
    soft = torch.tensor([0.2, 0.7, 0.1]).repeat(1, 2, 4, 1)
    _, seen = record(CategoricalCEMConfig(n_candidates=8), generator, candidates=soft)
    assert [x.shape[1] for x in seen] == [10, 8, 8, 8, 8, 8]
    assert seen[0][0, 8:].equal(one_hot(1, 1, 1, 1).expand(2, -1, -1))


def test_where_nothing_is_finite_the_most_probable_is_chosen(generator):
    optimizer = CategoricalCEM(3)
    mean = torch.tensor([[[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]])
    solution = optimizer.optimize(lambda x: x.sum((-2, -1)) * torch.nan, mean)
    assert solution.chosen.equal(one_hot(1, 2)[None])
    assert solution.mean.allclose(mean)


def test_weights_are_normalised(generator):
    optimizer = CategoricalCEM(2)
    solution = optimizer.optimize(
        lambda x: x.sum((-2, -1)) * torch.nan, torch.tensor([[[1.0, 3.0]]])
    )
    assert solution.mean.allclose(torch.tensor([[[0.25, 0.75]]]))


@pytest.mark.parametrize("mean", [[-0.1, 1.1], [0.0, 0.0]])
def test_what_is_no_probability_is_refused(mean):
    with pytest.raises(ConfigurationError, match="mean must hold probabilities"):
        CategoricalCEM(2).optimize(lambda x: x.sum((-2, -1)), torch.tensor([[mean]]))


def test_one_category_leaves_no_choice(generator):
    solution, _ = record(CategoricalCEMConfig(), generator, n_categories=1)
    assert solution.chosen.equal(torch.ones(1, 4, 1))


@pytest.mark.parametrize("n_categories", [0, -1, 1.5])
def test_a_number_of_categories_that_cannot_work_is_refused(n_categories):
    with pytest.raises(ConfigurationError, match="n_categories must be"):
        CategoricalCEM(n_categories)
