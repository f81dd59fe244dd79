import pytest
import torch

from layeredrl.optimizers import MPPI, MPPIConfig


def record(generator, candidates=None, horizon=3, **settings):
    seen = []

    def objective(x):
        seen.append(x)
        return x.sum((-2, -1))

    optimizer = MPPI([-2.0], [2.0], MPPIConfig(**settings))
    mean = optimizer.initial_mean(1, horizon)
    solution = optimizer.optimize(objective, mean, generator, candidates=candidates)
    return solution, seen


@pytest.mark.parametrize("elite_ratio", [0.25, 1.0])
@pytest.mark.parametrize("momentum", [0.0, 0.4])
def test_one_iteration_by_hand(elite_ratio, momentum, generator):
    solution, (candidates,) = record(
        generator,
        n_iterations=1,
        n_candidates=40,
        elite_ratio=elite_ratio,
        temperature=0.7,
        momentum=momentum,
        min_std=0.0,
    )
    values = candidates.sum((-2, -1))[0]
    order = values.argsort(descending=True)[: round(40 * elite_ratio)]
    weights = ((values[order] - values.max()) / 0.7).exp()
    weights = (weights / weights.sum())[:, None, None]
    elites = candidates[0, order]
    mean = (weights * elites).sum(0)
    std = (weights * (elites - mean).square()).sum(0).sqrt()
    assert solution.mean[0].allclose((1 - momentum) * mean, atol=1e-5)
    assert solution.std[0].allclose(momentum * 2.0 + (1 - momentum) * std, atol=1e-5)


def test_temperature_turns_from_the_best_to_the_average(generator):
    cold, (first,) = record(
        generator, n_iterations=1, temperature=1e-6, elite_ratio=1.0
    )
    assert cold.mean.allclose(cold.best, atol=1e-5)
    hot, (second,) = record(generator, n_iterations=1, temperature=1e9, elite_ratio=1.0)
    assert hot.mean[0].allclose(second[0].mean(0), atol=1e-5)


def test_the_floor_of_the_deviation(generator):
    solution, _ = record(generator, temperature=1e-6, min_std=0.1)
    assert solution.std.allclose(torch.tensor(0.2))


@pytest.mark.parametrize("keep_candidates", [True, False])
def test_prior_candidates_are_tried_once_or_always(keep_candidates, generator):
    prior = torch.full((1, 2, 3, 1), 0.123)
    _, seen = record(
        generator,
        candidates=prior,
        keep_candidates=keep_candidates,
        n_iterations=3,
        n_candidates=20,
    )
    has_prior = [bool((x == 0.123).all(-1).all(-1).sum() == 2) for x in seen]
    assert has_prior == [True, keep_candidates, keep_candidates]
    assert [x.shape[1] for x in seen] == [20 + 2 * has for has in has_prior]


@pytest.mark.parametrize("noise_beta", [0.0, 2.0])
def test_noise_can_be_coloured(noise_beta, generator):
    _, seen = record(
        generator,
        n_iterations=1,
        n_candidates=4000,
        init_std=0.1,
        noise_beta=noise_beta,
        horizon=12,
    )
    samples = seen[0][0, :, :, 0] / 0.2
    neighbours = (samples[:, 0] * samples[:, 1]).mean()
    assert neighbours > 0.7 if noise_beta else neighbours.abs() < 0.05


def test_return_modes(generator):
    mean, _ = record(generator, return_mode="mean")
    assert mean.chosen.equal(mean.mean)
    best, _ = record(generator, return_mode="best")
    assert best.chosen.equal(best.best)
    elite, _ = record(generator, return_mode="elite")
    assert (elite.elites == elite.chosen[:, None]).all(-1).all(-1).any()


def test_elites_are_drawn_by_their_weight(generator):
    n_instances = 4000
    objective_of = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)
    optimizer = MPPI(
        [-1.0],
        [1.0],
        MPPIConfig(
            n_iterations=1,
            n_candidates=2,
            elite_ratio=1.0,
            temperature=0.5,
            init_std=1e-3,
            min_std=0.0,
            return_mode="elite",
        ),
    )
    mean = optimizer.initial_mean(n_instances, 1)
    solution = optimizer.optimize(
        lambda x: objective_of[..., 0, 0].expand(x.shape[:2]), mean, generator
    )
    is_best = (solution.chosen == solution.best).all(-1).all(-1)
    expected = 1.0 / (1.0 + torch.tensor(-2.0).exp())
    assert abs(is_best.float().mean() - expected) < 0.025
