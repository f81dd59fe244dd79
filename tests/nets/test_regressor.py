import pytest
import torch
from torch import nn

from layeredrl.nets import Regressor


@pytest.fixture
def regressor():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Regressor(2, (16,), nn.SiLU)


def test_the_targets_statistics_do_not_move_the_function(regressor, generator):
    x = torch.randn(50, 2, generator=generator)
    regressor.observe(x, torch.randn(50, generator=generator))
    regressor.inputs.update = lambda x: None  # only the last layer is corrected
    before = regressor(x)
    for scale, offset in [(100.0, -30.0), (1e-2, 7.0), (5.0, 0.0)]:
        target = scale * torch.randn(200, generator=generator) + offset
        regressor.observe(torch.randn(200, 2, generator=generator), target)
        torch.testing.assert_close(regressor(x), before, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("scale", "offset"), [(1e4, 1e5), (1e-3, 0.0)])
@pytest.mark.parametrize("input_scale", [1e-3, 1e3])
def test_any_units_are_fitted_equally_well(
    regressor, scale, offset, input_scale, generator
):
    x = torch.rand(512, 2, generator=generator)
    target = scale * (x[:, 0] - 2 * x[:, 1]) + offset
    x = input_scale * x
    adam = torch.optim.Adam(regressor.parameters(), lr=1e-2)
    for _ in range(150):
        regressor.observe(x, target)
        error = (regressor(x) - target) / scale
        adam.zero_grad()
        error.square().mean().backward()
        adam.step()
    assert error.square().mean() < 1e-2


def test_shapes(regressor):
    assert regressor(torch.zeros(3, 4, 2)).shape == (3, 4)


def test_constant_targets_are_legal(regressor):
    x = torch.zeros(10, 2)
    regressor.observe(x, torch.full((10,), 3.0))
    assert regressor(x).isfinite().all()


def test_the_first_data_set_the_unit(regressor, generator):
    # Kept in old units, a fresh network's output would dwarf small targets.
    x = torch.randn(500, 2, generator=generator)
    regressor.observe(x, 3.0 + 1e-3 * torch.randn(500, generator=generator))
    distance = (regressor(x) - 3.0).abs()
    assert 1e-5 < distance.max() < 1e-2
