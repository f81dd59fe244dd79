import pytest
import torch

from layeredrl.optimizers import CEM, ICEM, CEMConfig, ICEMConfig, shift_sequences

SMALL = {"n_candidates": 100, "elite_ratio": 0.1, "n_iterations": 4}
N_ELITES = 10
OFF = {
    "noise_beta": 0.0,
    "population_decay": 1.0,
    "keep_ratio": 0.0,
    "shift_ratio": 0.0,
    "use_mean": False,
    "return_mode": "mean",
}


def record(generator, candidates=None, horizon=12, **settings):
    seen = []

    def objective(x):
        seen.append(x)
        return x.sum((-2, -1))

    optimizer = ICEM([-1.0], [1.0], ICEMConfig(**{**SMALL, **settings}))
    mean = optimizer.initial_mean(1, horizon)
    solution = optimizer.optimize(objective, mean, generator, candidates=candidates)
    return optimizer, solution, seen


def contains(candidates, sequence):
    return (candidates[0] == sequence).all(-1).all(-1).any()


@pytest.mark.parametrize("beta", [0.0, 2.0])
def test_part_1_noise_is_coloured_along_time(beta, generator):
    _, _, seen = record(
        generator, noise_beta=beta, n_candidates=4000, init_std=0.1, n_iterations=1
    )
    samples = seen[0][0, :4000, :, 0] / 0.1
    neighbours = (samples[:, :-1] * samples[:, 1:]).mean()
    assert abs(samples.std() - 1.0) < 0.02
    assert neighbours > 0.7 if beta else neighbours.abs() < 0.03


@pytest.mark.parametrize("sampling", ["clip", "truncate"])
def test_part_2_samples_are_clipped_at_the_bounds(sampling, generator):
    _, _, seen = record(generator, sampling=sampling, init_std=2.0)
    at_bounds = (seen[0].abs() == 1.0).float().mean()
    assert at_bounds > 0.3 if sampling == "clip" else at_bounds < 0.01
    assert all(x.abs().max() <= 1.0 for x in seen)


@pytest.mark.parametrize(
    "decay, counts",
    [
        (1.0, [100, 100, 100, 100]),
        (1.25, [100, 80, 64, 51]),
        (3.0, [100, 33, 20, 20]),
    ],
)
def test_part_3_the_population_decays_down_to_twice_the_elites(
    decay, counts, generator
):
    _, _, seen = record(
        generator, population_decay=decay, keep_ratio=0.0, use_mean=False
    )
    assert [x.shape[1] for x in seen] == counts


def test_part_3_the_floor_never_exceeds_the_population(generator):
    _, _, seen = record(
        generator, elite_ratio=1.0, keep_ratio=0.0, use_mean=False, n_candidates=7
    )
    assert [x.shape[1] for x in seen] == [7, 7, 7, 7]


@pytest.mark.parametrize("ratio, n_kept", [(0.0, 0), (0.01, 1), (0.3, 3), (1.0, 10)])
def test_part_4_elites_are_kept_between_iterations(ratio, n_kept, generator):
    _, _, seen = record(
        generator, keep_ratio=ratio, population_decay=1.0, use_mean=False
    )
    assert [x.shape[1] for x in seen] == [100] + [100 + n_kept] * 3
    for before, after in zip(seen, seen[1:]):
        order = before.sum((-2, -1))[0].argsort(descending=True)
        for rank in range(N_ELITES):
            is_kept = bool(contains(after, before[0, order[rank]]))
            assert is_kept == (rank < n_kept)


@pytest.mark.parametrize("ratio, n_shifted", [(0.0, 0), (0.3, 3), (1.0, 10)])
def test_part_5_elites_are_shifted_to_the_next_time_step(ratio, n_shifted, generator):
    optimizer, solution, _ = record(generator, shift_ratio=ratio)
    carried = optimizer.carry_over(solution)
    if n_shifted == 0:
        assert carried is None
        return
    assert carried.equal(shift_sequences(solution.elites[:, :n_shifted]))
    _, _, seen = record(generator, candidates=carried, population_decay=1.0)
    assert seen[0].shape[1] == 100 + n_shifted
    assert all(contains(seen[0], sequence) for sequence in carried[0])


@pytest.mark.parametrize("mode", ["best", "mean", "sample"])
def test_part_6_the_best_is_returned(mode, generator):
    _, solution, seen = record(generator, return_mode=mode)
    best = max(x.sum((-2, -1)).max() for x in seen)
    assert solution.best_value == best
    assert bool(solution.chosen.sum() == best) == (mode == "best")
    assert solution.chosen.equal(solution.mean) == (mode == "mean")


@pytest.mark.parametrize("use_mean", [True, False])
@pytest.mark.parametrize("n_iterations", [1, 3])
def test_part_7_the_last_iteration_tries_the_mean(use_mean, n_iterations, generator):
    _, _, seen = record(
        generator,
        use_mean=use_mean,
        n_iterations=n_iterations,
        keep_ratio=0.0,
        population_decay=1.0,
        momentum=0.0,
    )
    assert [x.shape[1] for x in seen] == [100] * (n_iterations - 1) + [100 + use_mean]
    if use_mean and n_iterations > 1:
        order = seen[-2].sum((-2, -1))[0].argsort(descending=True)
        elites = seen[-2][0, order[:N_ELITES]]
        assert seen[-1][0, -1].allclose(elites.mean(0), atol=1e-6)
    elif use_mean:
        assert seen[0][0, -1].equal(torch.zeros(12, 1))


def test_with_all_parts_off_it_is_cem():
    config = CEMConfig(n_candidates=100, elite_ratio=0.1, n_iterations=4)
    target = torch.linspace(-0.5, 0.5, 12).view(12, 1)
    solutions = [
        optimizer.optimize(
            lambda x: -(x - target).square().sum((-2, -1)),
            optimizer.initial_mean(2, 12),
            torch.Generator().manual_seed(0),
        )
        for optimizer in (
            CEM([-1.0], [1.0], config),
            ICEM([-1.0], [1.0], ICEMConfig(**SMALL, **OFF)),
        )
    ]
    assert all(a.equal(b) for a, b in zip(solutions[0][:-1], solutions[1][:-1]))


def test_coloured_noise_gets_further_than_white(generator):
    """What the noise is for: a point that only moves when pushed the same way."""

    def objective(x):
        return -(x.cumsum(-2).cumsum(-2)[..., -1, 0] / 100.0 - 1.0).square()

    values = {}
    for beta in (0.0, 2.0):
        optimizer = ICEM(
            [-1.0],
            [1.0],
            ICEMConfig(
                n_iterations=1, n_candidates=32, noise_beta=beta, elite_ratio=0.2
            ),
        )
        mean = optimizer.initial_mean(50, 20)
        values[beta] = optimizer.optimize(objective, mean, generator).best_value.mean()
    assert values[2.0] > values[0.0] + 0.1
