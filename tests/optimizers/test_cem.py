import pytest
import torch

from layeredrl.optimizers import CEM, CEMConfig


def record(config, generator, mean=0.0, objective=lambda x: x.sum((-2, -1))):
    seen = []

    def recorder(x):
        seen.append(x)
        return objective(x)

    optimizer = CEM([-2.0], [2.0], config)
    start = torch.full((1, 3, 1), mean)
    return optimizer.optimize(recorder, start, generator), seen


def top(candidates, n_elites):
    order = candidates.sum((-2, -1))[0].argsort(descending=True)
    return candidates[0, order[:n_elites]]


@pytest.mark.parametrize("momentum", [0.0, 0.3])
@pytest.mark.parametrize("use_mirroring", [True, False])
def test_one_iteration_by_hand(momentum, use_mirroring, generator):
    config = CEMConfig(
        n_iterations=1,
        n_candidates=50,
        elite_ratio=0.1,
        momentum=momentum,
        use_mirroring=use_mirroring,
    )
    solution, (candidates,) = record(config, generator)
    elites = top(candidates, 5)
    # Half of a half range of two is where the deviation starts.
    assert solution.mean[0].allclose((1 - momentum) * elites.mean(0))
    assert solution.std[0].allclose(
        momentum * 1.0 + (1 - momentum) * elites.std(0, correction=0)
    )
    assert solution.elites[0].equal(elites)
    assert solution.chosen.equal(solution.mean)


def test_initial_deviation_is_in_half_ranges(generator):
    config = CEMConfig(n_iterations=1, n_candidates=20_000, init_std=0.1)
    _, (candidates,) = record(config, generator)
    assert abs(candidates.std().item() - 0.2) < 0.005


def test_later_iterations_draw_from_the_fit(generator):
    config = CEMConfig(n_iterations=2, n_candidates=4000, momentum=0.0, init_std=0.1)
    _, (first, second) = record(config, generator)
    elites = top(first, 400)
    assert second.mean((0, 1)).allclose(elites.mean(0), atol=0.01)
    assert second.std((0, 1)).allclose(elites.std(0), atol=0.01)


@pytest.mark.parametrize("min_std", [0.0, 0.05])
def test_the_floor_of_the_deviation(min_std, generator):
    config = CEMConfig(n_iterations=30, min_std=min_std)
    solution, _ = record(
        config, generator, objective=lambda x: -x.square().sum((-2, -1))
    )
    if min_std:
        assert solution.std.allclose(torch.tensor(0.1))
    else:
        assert solution.std.max() < 1e-3


@pytest.mark.parametrize("ratio, count", [(1e-9, 1), (0.1, 5), (0.13, 6), (1.0, 50)])
def test_the_elite_ratio_is_a_share_of_the_candidates(ratio, count, generator):
    config = CEMConfig(n_candidates=50, elite_ratio=ratio)
    solution, _ = record(config, generator)
    assert solution.elites.shape[1] == count


@pytest.mark.parametrize("n_finite", [0, 1, 3])
def test_only_finite_elites_count(n_finite, generator):
    def objective(x):
        values = x.sum((-2, -1))
        values[:, n_finite:] = torch.nan
        return values

    config = CEMConfig(n_iterations=1, n_candidates=50, momentum=0.0)
    solution, (candidates,) = record(config, generator, objective=objective)
    finite = candidates[0, :n_finite]
    if n_finite:
        assert solution.mean[0].allclose(finite.mean(0), atol=1e-6)
        assert solution.std[0].allclose(finite.std(0, correction=0), atol=1e-6)
    else:
        assert solution.mean.equal(torch.zeros(1, 3, 1))
        assert solution.std.equal(torch.ones(1, 3, 1))


def test_return_modes(generator):
    solutions = {
        mode: record(CEMConfig(return_mode=mode), torch.Generator().manual_seed(0))[0]
        for mode in ("mean", "best", "sample")
    }
    assert solutions["mean"].chosen.equal(solutions["mean"].mean)
    assert solutions["best"].chosen.equal(solutions["best"].best)
    sample = solutions["sample"]
    assert not sample.chosen.equal(sample.mean)
    assert not sample.chosen.equal(sample.best)
    distance = (sample.chosen - sample.mean).abs()
    assert (distance <= 6 * sample.std + 1e-6).all()


def test_it_finds_the_optimum_of_a_stiff_quadratic(generator):
    scale = torch.tensor([1.0, 10.0, 100.0]).view(3, 1)
    config = CEMConfig(n_iterations=20, n_candidates=500)
    solution, _ = record(
        config,
        generator,
        objective=lambda x: -(scale * (x - 0.7).square()).sum((-2, -1)),
    )
    assert (solution.chosen - 0.7).abs().max() < 0.01


def test_planning_under_autocast_keeps_single_precision(generator):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        solution, seen = record(CEMConfig(), generator)
    assert {x.dtype for x in seen} == {torch.float32}
    assert solution.mean.dtype == torch.float32
