"""The parallel recurrence of Mamba against a loop, its gradient against differences."""

from importlib.util import find_spec

import pytest
import torch

import layeredrl.nets.selective_scan as module
from layeredrl.nets.selective_scan import kernel_scan, linear_scan, selective_scan


def loop(delta, u, a, b, c):
    state = torch.zeros(delta.shape[0], *a.shape, dtype=delta.dtype)
    outputs = []
    for t in range(delta.shape[1]):
        decay = torch.exp(delta[:, t, :, None] * a)
        state = decay * state + u[:, t, :, None] * b[:, t, None]
        outputs.append((state * c[:, t, None]).sum(-1))
    return torch.stack(outputs, 1)


def inputs(batch=2, length=7, inner=3, n_state=4, dtype=torch.float64):
    delta = torch.rand(batch, length, inner, dtype=dtype)
    u = torch.randn(batch, length, inner, dtype=dtype)
    a = -3 * torch.rand(inner, n_state, dtype=dtype)
    b, c = torch.randn(2, batch, length, n_state, dtype=dtype)
    return [x.requires_grad_() for x in (delta, u, a, b, c)]


@pytest.fixture(params=["parallel", "step by step"])
def way(request, monkeypatch):
    small = 2**30 if request.param == "parallel" else 0
    monkeypatch.setitem(module._SMALL_BLOCK, "cpu", small)


@pytest.mark.parametrize("length", [1, 2, 8, 9, 40])
@pytest.mark.parametrize("block_numbers", [1, 10**6])
def test_outputs_and_gradients(way, length, block_numbers, monkeypatch):
    # blocks of eight steps at least, or one block
    monkeypatch.setitem(module._BLOCK_NUMBERS, "cpu", block_numbers)
    args = inputs(length=length)
    y, expected = selective_scan(*args), loop(*args)
    torch.testing.assert_close(y, expected)
    weights = torch.randn_like(y)
    grads = torch.autograd.grad((y * weights).sum(), args)
    expected_grads = torch.autograd.grad((expected * weights).sum(), args)
    for grad, reference in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(grad, reference)


def test_gradient_against_finite_differences(way):
    assert torch.autograd.gradcheck(selective_scan, inputs(length=5))


def test_second_derivatives_are_refused():
    args = inputs()
    (grad,) = torch.autograd.grad(
        selective_scan(*args).square().sum(), args[0], create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_strong_decay_over_long_sequences_stays_finite(way):
    delta, u, a, b, c = (x.detach().float() for x in inputs(length=300))
    y = selective_scan(50 * delta, u, 20 * a, b, c)
    torch.testing.assert_close(
        y, loop(50 * delta, u, 20 * a, b, c), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("reverse", [False, True])
def test_linear_scan(way, reverse):
    decay, drive = torch.rand(11, 2, 3), torch.randn(11, 2, 3)
    state = start = torch.randn(2, 3)
    expected = torch.zeros(11, 2, 3)
    for t in range(10, -1, -1) if reverse else range(11):
        expected[t] = state = decay[t] * state + drive[t]
    got = linear_scan(decay, drive, start, reverse=reverse)
    torch.testing.assert_close(got, expected)


def test_half_precision_is_computed_in_single():
    args = [x.detach().bfloat16() for x in inputs(length=30)]
    y = selective_scan(*args)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, loop(*(x.float() for x in args)))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(selective_scan(*args), y)


def test_kernel_is_for_gpus_only(monkeypatch):
    def never(*args):
        raise AssertionError("called on the CPU")

    monkeypatch.setattr(module, "_find_kernel", lambda: never)
    delta, x, a, b, c = (v.detach() for v in inputs())
    assert kernel_scan(delta, x, a, b, c, torch.ones(3)) is None


class PretendsToBeOnGpu(torch.Tensor):
    """A CPU tensor that says otherwise."""

    @property
    def device(self):
        return torch.device("cuda")


def test_kernel_gets_what_it_expects(monkeypatch):
    """The kernel of mamba_ssm takes (B, I, L) and (B, N, L), all contiguous."""

    def kernel(u, delta, a, b, c, d):
        assert all(x.is_contiguous() for x in (u, delta, a, b, c, d))
        u, delta, b, c = (x.transpose(1, 2) for x in (u, delta, b, c))
        return (loop(delta, delta * u, a, b, c) + d * u).transpose(1, 2)

    monkeypatch.setattr(module, "_find_kernel", lambda: kernel)
    delta, x, a, b, c = (v.detach().float() for v in inputs())
    d = torch.randn(3)
    y = kernel_scan(delta, x.as_subclass(PretendsToBeOnGpu), a, b, c, d)
    expected = selective_scan(delta, delta * x, a, b, c) + d * x
    torch.testing.assert_close(y.as_subclass(torch.Tensor), expected)


@pytest.mark.skipif(find_spec("mamba_ssm") is not None, reason="mamba_ssm is there")
def test_without_the_package_there_is_no_kernel():
    assert module._find_kernel() is None
