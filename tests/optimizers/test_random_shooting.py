import math

import torch

from layeredrl.optimizers import RandomShooting, RandomShootingConfig


def record(config, generator, **kwargs):
    seen = []

    def objective(x):
        seen.append(x)
        return x.sum((-2, -1))

    optimizer = RandomShooting([-1.0, 0.0], [1.0, 4.0], config)
    mean = torch.tensor([0.5, 1.0]).repeat(1, 5, 1)
    return optimizer.optimize(objective, mean, generator, **kwargs), seen


def test_uniform_candidates_fill_the_bounds(generator):
    config = RandomShootingConfig(n_candidates=20_000)
    solution, (candidates,) = record(config, generator)
    center, half = torch.tensor([0.0, 2.0]), torch.tensor([1.0, 2.0])
    assert (candidates.mean((0, 1, 2)) - center).abs().max() < 0.02
    deviation = half / math.sqrt(3.0)
    assert candidates.std((0, 1, 2)).allclose(deviation, rtol=0.01)
    assert solution.std[0, 0].allclose(deviation)


def test_normal_candidates_surround_the_mean(generator):
    config = RandomShootingConfig(
        n_candidates=20_000, distribution="normal", init_std=0.1
    )
    solution, (candidates,) = record(config, generator)
    center = torch.tensor([0.5, 1.0])
    assert (candidates.mean((0, 1, 2)) - center).abs().max() < 0.01
    deviation = torch.tensor([0.1, 0.2])
    assert candidates.std((0, 1, 2)).allclose(deviation, rtol=0.02)
    assert solution.std[0, 0].allclose(deviation)


def test_the_best_of_all_batches_wins_and_is_the_mean(generator):
    config = RandomShootingConfig(n_iterations=4, n_candidates=50)
    solution, seen = record(config, generator, candidates=torch.zeros(1, 3, 5, 2))
    assert [x.shape[1] for x in seen] == [53, 50, 50, 50]
    assert solution.best_value == max(x.sum((-2, -1)).max() for x in seen)
    assert solution.mean.equal(solution.best)
    assert solution.chosen.equal(solution.best)
    assert solution.elites.sum() == seen[-1].sum((-2, -1)).max()
