"""Values on the scale of their statistics."""

import math

import pytest
import torch

from layeredrl.errors import ShapeError
from layeredrl.nets.actor_critic import PopArtLayer


def test_initial_state():
    layer = PopArtLayer(3)
    state = {k: v.flatten().tolist() for k, v in layer.state_dict().items()}
    assert state == {
        "mu": [0.0] * 3,
        "nu": [100.0] * 3,
        "w": [1.0] * 3,
        "b": [0.0] * 3,
        "_t": [1.0] * 3,
    }
    assert all(v.shape == (3, 1) for v in layer.state_dict().values())
    assert not list(layer.parameters())
    torch.testing.assert_close(layer.sigma, torch.full((3, 1), 10.0))


def test_sigma_is_clamped():
    layer = PopArtLayer(3)
    layer.mu = torch.tensor([[2.0], [0.0], [0.0]])
    layer.nu = torch.tensor([[4.0], [1e20], [9.0]])
    torch.testing.assert_close(layer.sigma, torch.tensor([[1e-2], [1e4], [3.0]]))


def test_affine_maps():
    layer = PopArtLayer(2)
    layer.mu, layer.nu = torch.tensor([[1.0], [2.0]]), torch.tensor([[5.0], [13.0]])
    layer.w, layer.b = torch.tensor([[2.0], [3.0]]), torch.tensor([[0.5], [-1.0]])
    x = torch.tensor([[1.0], [10.0]]).expand(4, 5, 1, 2, 1)
    expected = torch.tensor([[2.5], [29.0]]).expand_as(x)
    torch.testing.assert_close(layer(x), expected)
    expected = torch.tensor([[2 * 2.5 + 1], [3 * 29.0 + 2]]).expand_as(x)
    torch.testing.assert_close(layer(x, normalized=False), expected)
    expected = torch.tensor([[0.0], [8 / 3]]).expand_as(x)
    torch.testing.assert_close(layer.normalize_values(x), expected)


def test_update_by_hand():
    layer = PopArtLayer(1, beta=0.5, init_nu=4.0)
    val = torch.tensor([6.0, 99.0, 2.0]).view(3, 1, 1, 1, 1)
    mask = torch.tensor([True, False, True]).view(3, 1, 1, 1, 1)
    layer.update_stats(val, mask)
    beta = 0.5 / (1 - 0.5**2)  # the first update is the second by its count
    mu, nu = beta * 4, (1 - beta) * 4 + beta * 20
    sigma = math.sqrt(nu - mu**2)
    assert layer._t.item() == 2
    assert layer.mu.item() == pytest.approx(mu)
    assert layer.nu.item() == pytest.approx(nu)
    assert layer.w.item() == pytest.approx(2 / sigma)
    assert layer.b.item() == pytest.approx(-mu / sigma)


def test_updates_keep_values_in_the_environments_units():
    layer, q = PopArtLayer(2, beta=0.1), torch.randn(4, 5, 3, 2, 1)
    before = layer(q, normalized=False)
    for i in range(10):
        val = 30 * torch.randn(4, 5, 1, 2, 1) + 20 * i
        layer.update_stats(val, torch.rand(4, 5, 1, 2, 1) > 0.5)
        torch.testing.assert_close(
            layer(q, normalized=False), before, atol=1e-3, rtol=1e-3
        )
    assert not torch.allclose(layer(q), q, atol=0.1)


def test_empty_masks_change_nothing():
    layer, val = PopArtLayer(2, beta=0.5), torch.randn(3, 4, 1, 2, 1)
    layer.update_stats(val, torch.ones_like(val))
    before = {k: v.clone() for k, v in layer.state_dict().items()}
    layer.update_stats(val, torch.zeros_like(val))
    assert all(torch.equal(v, before[k]) for k, v in layer.state_dict().items())
    mask = torch.ones_like(val)
    mask[:, :, :, 0] = 0  # one gamma has values, the other has none
    layer.update_stats(val, mask)
    for name, value in layer.state_dict().items():
        assert torch.equal(value[0], before[name][0])
        assert not torch.equal(value[1], before[name][1])


def test_disabled_layer_does_nothing():
    layer, x = PopArtLayer(2, enabled=False), torch.randn(3, 4, 1, 2, 1)
    layer.update_stats(x, torch.ones_like(x))
    assert layer(x) is x and layer.normalize_values(x) is x
    assert layer(x, normalized=False) is x
    assert layer._t.tolist() == [[1.0], [1.0]] and len(layer.state_dict()) == 5


def test_to_moves_everything_and_returns_the_layer():
    layer = PopArtLayer(2)
    assert layer.to("meta") is layer
    assert {v.device.type for v in layer.state_dict().values()} == {"meta"}
    layer = PopArtLayer(2)
    assert layer.to(device=torch.device("cpu")) is layer
    assert layer.to(torch.float64).mu.dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_precision_is_that_of_the_values(dtype):
    layer, x = PopArtLayer(2), torch.randn(3, 4, 1, 2, 1, dtype=dtype)
    layer.update_stats(x, torch.ones_like(x))
    assert layer.mu.dtype == torch.float32
    assert layer(x).dtype == layer(x, normalized=False).dtype == dtype
    assert layer.normalize_values(x).dtype == dtype


def test_update_spares_graphs_that_await_backward():
    layer, x = PopArtLayer(2), torch.randn(3, 4, 1, 2, 1, requires_grad=True)
    loss = layer(x).square().sum()
    layer.update_stats(x.detach(), torch.ones_like(x))
    loss.backward()
    torch.testing.assert_close(x.grad, 2 * x.detach())


def test_wrong_shapes():
    layer, val = PopArtLayer(2), torch.zeros(3, 4, 1, 2, 1)
    for bad_val, bad_mask in (
        (val, val[:2]),
        (val[0], val[0]),
        (val[..., :1, :], val[..., :1, :]),
    ):
        with pytest.raises(ShapeError, match=r"\(B, L, 1, 2, 1\), got"):
            layer.update_stats(bad_val, bad_mask)
