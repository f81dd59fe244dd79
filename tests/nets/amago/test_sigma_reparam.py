"""Linear layers with a trained spectral norm."""

import math

import pytest
import torch
import torch.nn.functional as F

from layeredrl.nets.transformer import SigmaReparam


def test_initial_state():
    torch.manual_seed(0)
    layer = SigmaReparam(64, 96)
    assert {k: tuple(v.shape) for k, v in layer.state_dict().items()} == {
        "weight": (96, 64),
        "bias": (96,),
        "gamma": (1,),
        "u": (96,),
        "v": (64,),
    }
    assert {k for k, _ in layer.named_parameters()} == {"weight", "bias", "gamma"}
    assert layer.gamma.item() == 1
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert layer.bias.abs().max() <= 1 / 8 and layer.bias.std() > 0.05
    assert "bias" not in SigmaReparam(3, 4, bias=False).state_dict()


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (1, 4), (6, 6)])
def test_singular_vectors_belong_together(shape):
    for _ in range(5):
        layer = SigmaReparam(*shape)
        top = torch.linalg.svdvals(layer.weight)[0]
        sigma = layer.u @ layer.weight @ layer.v
        torch.testing.assert_close(sigma, top)  # never minus the singular value


def test_fast_init():
    torch.manual_seed(0)
    layer = SigmaReparam(100, 80, fast_init=True)
    bound = 1 / math.sqrt(100)  # kaiming uniform with a = sqrt(5)
    assert bound * 0.95 < layer.weight.abs().max() <= bound
    assert layer.bias.abs().max() <= bound
    assert layer.u.norm().item() == pytest.approx(1)
    assert layer.v.norm().item() == pytest.approx(1)


def perturbed():
    torch.manual_seed(1)
    layer = SigmaReparam(7, 5)
    with torch.no_grad():
        layer.weight.add_(torch.randn(5, 7))
        layer.gamma.fill_(1.7)
    return layer


def test_training_forward_takes_one_power_iteration():
    layer, x = perturbed(), torch.randn(3, 2, 7)
    W, u, v = layer.weight.detach(), layer.u.clone(), layer.v.clone()
    for enabled in (True, False):  # also under no_grad
        u = W @ v / (W @ v).norm()
        v = W.T @ u / (W.T @ u).norm()
        with torch.set_grad_enabled(enabled):
            out = layer.train()(x)
        torch.testing.assert_close(layer.u, u)
        torch.testing.assert_close(layer.v, v)
        expected = x @ W.T * (1.7 / (u @ W @ v)) + layer.bias
        torch.testing.assert_close(out.detach(), expected.detach())
    assert not layer.u.requires_grad and not layer.v.requires_grad


def test_eval_forward_leaves_the_vectors():
    layer, x = perturbed().eval(), torch.randn(3, 7)
    u, v = layer.u.clone(), layer.v.clone()
    expected = x @ layer.weight.T * (1.7 / (u @ layer.weight @ v)) + layer.bias
    torch.testing.assert_close(layer(x), expected)
    assert torch.equal(layer.u, u) and torch.equal(layer.v, v)


@pytest.mark.parametrize("training", [True, False])
def test_gradient_includes_that_of_the_norm(training):
    layer, x = perturbed().train(training), torch.randn(3, 7)
    layer(x).square().sum().backward()
    W = layer.weight.detach().clone().requires_grad_()
    gamma = layer.gamma.detach().clone().requires_grad_()
    sigma = layer.u @ W @ layer.v  # u and v, after the forward, are constants
    F.linear(x, gamma / sigma * W, layer.bias.detach()).square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, W.grad)
    torch.testing.assert_close(layer.gamma.grad, gamma.grad)


def test_several_forwards_before_one_backward():
    layer, x = perturbed().eval(), torch.randn(3, 7)
    total = layer(x).sum()
    layer.train()
    (total + layer(x).sum() + layer(x).square().sum()).backward()
    assert layer.weight.grad.isfinite().all()


def test_power_iteration_finds_the_norm():
    layer = perturbed()
    for _ in range(60):
        layer(torch.zeros(1, 7))
    top = torch.linalg.svdvals(layer.effective_weight())[0]
    assert top.item() == pytest.approx(1.7, rel=1e-4)


def test_norm_is_precise_under_autocast():
    layer, x = perturbed().eval(), torch.randn(3, 7)
    exact = layer.scale()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.scale(), exact)
        assert layer(x).dtype == torch.bfloat16
