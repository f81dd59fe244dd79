import torch

from layeredrl.optimizers.elites import Elites
from layeredrl.optimizers.gaussian import Gaussian, refit


def make(mean=0.0, std=1.0, n_instances=1):
    shape = (n_instances, 1, 1)
    return Gaussian(torch.full(shape, mean), torch.full(shape, std))


def test_mean_and_population_deviation_by_hand():
    elites = Elites(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1), torch.zeros(1, 2))
    fitted = refit(make(), elites, torch.tensor([[0.5, 0.5]]))
    assert fitted.mean.item() == 2.0
    assert fitted.std.item() == 1.0
    weighted = refit(make(), elites, torch.tensor([[0.75, 0.25]]))
    assert weighted.mean.item() == 1.5
    assert torch.isclose(weighted.std, torch.tensor(0.75**0.5)).all()


def test_momentum_is_the_share_of_the_old():
    elites = Elites(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1), torch.zeros(1, 2))
    weights = torch.tensor([[0.5, 0.5]])
    fitted = refit(make(mean=10.0, std=5.0), elites, weights, momentum=0.25)
    assert torch.isclose(fitted.mean, torch.tensor(0.25 * 10.0 + 0.75 * 2.0)).all()
    assert torch.isclose(fitted.std, torch.tensor(0.25 * 5.0 + 0.75 * 1.0)).all()


def test_the_floor_holds_before_momentum():
    elites = Elites(torch.ones(1, 1, 1, 1), torch.zeros(1, 1))
    fitted = refit(
        make(std=2.0),
        elites,
        torch.ones(1, 1),
        momentum=0.5,
        min_std=torch.tensor([0.5]),
    )
    assert fitted.std.item() == 0.5 * 2.0 + 0.5 * 0.5


def test_instances_without_finite_values_stay_exactly():
    start = make(mean=0.1, std=0.3, n_instances=2)
    values = torch.tensor([[-1.0], [-torch.inf]])
    elites = Elites(torch.ones(2, 1, 1, 1), values)
    fitted = refit(start, elites, torch.tensor([[1.0], [0.0]]), momentum=0.1)
    assert fitted.mean[1].equal(start.mean[1])
    assert fitted.std[1].equal(start.std[1])
    assert not fitted.mean[0].equal(start.mean[0])


def test_a_tiny_spread_far_from_zero_is_not_lost_to_rounding():
    spread = torch.tensor([0.9, 0.9 + 1e-4]).view(1, 2, 1, 1)
    weights = torch.tensor([[0.5, 0.5]])
    std = refit(make(), Elites(spread, torch.zeros(1, 2)), weights).std.item()
    assert abs(std - 5e-5) < 1e-7
