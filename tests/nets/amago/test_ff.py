"""Normalisation by name, the MLP, the residual block."""

import pytest
import torch
from torch import nn

from layeredrl.errors import ConfigurationError
from layeredrl.nets.ff import MLP, FFBlock, Normalization


def scrambled(module):
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn_like(p))
    return module


def keys(module):
    return {k: tuple(v.shape) for k, v in module.state_dict().items()}


def test_layer_norm():
    norm = scrambled(Normalization("layer", 4))
    assert keys(norm) == {"norm.weight": (4,), "norm.bias": (4,)}
    x = torch.randn(2, 3, 4)
    z = (x - x.mean(-1, keepdim=True)) / (
        x.var(-1, keepdim=True, unbiased=False) + 1e-5
    ).sqrt()
    torch.testing.assert_close(norm(x), z * norm.norm.weight + norm.norm.bias)


def test_rmsnorm():
    norm = Normalization("rmsnorm", 2)
    assert keys(norm) == {"norm.scale": (2,)} and norm.norm.scale.tolist() == [1, 1]
    norm.norm.scale.data = torch.tensor([1.0, 10.0])
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    root = (12.5 + 1e-5) ** 0.5
    expected = torch.tensor([[3 / root, 40 / root], [0, 0]])
    torch.testing.assert_close(norm(x).detach(), expected)


@pytest.mark.parametrize("method", ["unitball", "unitball-detach"])
def test_unitball(method):
    norm = Normalization(method, 2)
    assert keys(norm) == {}
    x = torch.tensor([[3.0, 4.0]], requires_grad=True)
    y = norm(x)
    torch.testing.assert_close(y.detach(), x.detach() / (5 + 1e-5))
    y.sum().backward()
    detached = torch.full((1, 2), 1 / 5.00001)
    through = detached - x.detach() * 7 / 5 / 5.00001**2
    expected = detached if method == "unitball-detach" else through
    torch.testing.assert_close(x.grad, expected)


def test_no_normalisation():
    norm, x = Normalization("none", 3), torch.randn(2, 3)
    assert keys(norm) == {} and torch.equal(norm(x), x)


@pytest.mark.parametrize("method", ["batch", "spectral", ""])
def test_unknown_normalisation(method):
    with pytest.raises(ConfigurationError, match="unknown normalization.*rmsnorm"):
        Normalization(method, 3)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_mlp(n_layers):
    mlp = MLP(5, 7, n_layers, 3, "gelu")
    shapes = {"in_layer.weight": (7, 5), "in_layer.bias": (7,)}
    for i in range(n_layers - 1):
        shapes |= {f"layers.{i}.weight": (7, 7), f"layers.{i}.bias": (7,)}
    shapes |= {"out_layer.weight": (3, 7), "out_layer.bias": (3,)}
    assert keys(mlp) == shapes
    x = torch.randn(2, 4, 5)
    state, h = mlp.state_dict(), x
    for name in ["in_layer", *(f"layers.{i}" for i in range(n_layers - 1))]:
        h = nn.functional.gelu(h @ state[f"{name}.weight"].T + state[f"{name}.bias"])
    expected = h @ state["out_layer.weight"].T + state["out_layer.bias"]
    torch.testing.assert_close(mlp(x), expected)


def test_mlp_starts_as_pytorch_linear_layers_do():
    torch.manual_seed(0)
    mlp = MLP(5, 7, 2, 3)
    torch.manual_seed(0)
    layers = [nn.Linear(5, 7), nn.Linear(7, 7), nn.Linear(7, 3)]
    expected = [p for layer in layers for p in layer.parameters()]
    for p, q in zip(mlp.parameters(), expected, strict=True):
        assert torch.equal(p, q)


def test_mlp_drops_hidden_features_in_training_only():
    mlp, x = MLP(5, 400, 1, 3, dropout_p=0.5), torch.randn(2, 5)
    assert torch.equal(mlp.eval()(x), mlp(x))
    mlp.train()
    mlp.out_layer.weight.data = torch.eye(3, 400)
    assert not torch.equal(mlp(x), mlp(x))
    dropped = mlp.dropout(torch.ones(10_000))
    assert (dropped == 0).float().mean() == pytest.approx(0.5, abs=0.05)


def test_mlp_needs_a_hidden_layer():
    with pytest.raises(ConfigurationError, match="at least 1, got 0"):
        MLP(5, 7, 0, 3)


def test_ff_block_activates_after_both_layers():
    block = FFBlock(4, 6, dropout=0.0, activation="relu")
    assert keys(block) == {
        "ff1.weight": (6, 4),
        "ff1.bias": (6,),
        "ff2.weight": (4, 6),
        "ff2.bias": (4,),
    }
    x = torch.randn(3, 4)
    expected = x + block.ff2(block.ff1(x).relu()).relu()
    torch.testing.assert_close(block(x), expected)


def test_ff_block_shares_one_adaptive_activation():
    block = FFBlock(4, 6, 0.0, "adaptive")
    extra = set(block.state_dict()) - set(FFBlock(4, 6, 0.0, "gelu").state_dict())
    assert extra == {"activation.numerator", "activation.denominator"}


def test_ff_block_drops_after_both_layers():
    block = FFBlock(4, 6, dropout=1.0, activation="relu").train()
    x = torch.randn(3, 4)
    assert torch.equal(block(x), x)
    assert not torch.equal(block.eval()(x), x)
