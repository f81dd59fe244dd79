"""Activations, symlog, activation logs and running input statistics."""

import math
import pickle

import pytest
import torch
import torch.nn.functional as F

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.nets.utils import (
    MAGIC_PAD_VAL,
    AdaptiveActivation,
    InputNorm,
    activation_switch,
    log_activations,
    symexp,
    symlog,
)

X = torch.tensor([-3.0, -1.0, -0.2, 0.0, 0.3, 1.0, 2.5])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("leaky_relu", torch.where(X > 0, X, 0.01 * X)),
        ("relu", X.clamp(min=0)),
        ("gelu", X * 0.5 * (1 + torch.erf(X / math.sqrt(2)))),
    ],
)
def test_plain_activations_are_functions_without_state(name, expected):
    activation = activation_switch(name)
    assert not isinstance(activation, torch.nn.Module)
    torch.testing.assert_close(activation(X), expected)
    assert pickle.loads(pickle.dumps(activation)) is activation


def test_unknown_activation_is_named():
    with pytest.raises(ConfigurationError, match="'swoosh'.*leaky_relu.*adaptive"):
        activation_switch("swoosh")
    with pytest.raises(ValueError, match="swoosh"):
        activation_switch("swoosh")


def test_adaptive_activation_is_the_rational_function():
    activation = activation_switch("adaptive")
    assert isinstance(activation, AdaptiveActivation)
    assert set(activation.state_dict()) == {"numerator", "denominator"}
    c, d = activation.numerator.tolist(), activation.denominator.tolist()
    for x in X.tolist():
        numerator = sum(c[i] * x**i for i in range(6))
        denominator = 1 + sum(abs(d[j] * x ** (j + 1)) for j in range(4))
        value = activation(torch.tensor(x)).item()
        assert value == pytest.approx(numerator / denominator, rel=1e-5, abs=1e-6)
    torch.testing.assert_close(
        activation(X).detach(), F.leaky_relu(X), atol=0.05, rtol=0
    )
    assert activation_switch("adaptive") is not activation
    activation(X).sum().backward()
    assert activation.numerator.grad.abs().min() > 0


def test_symlog_and_symexp():
    x = torch.tensor([-(math.e**2 - 1), 0.0, math.e - 1], dtype=torch.float64)
    expected = torch.tensor([-2.0, 0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(symlog(x), expected)
    torch.testing.assert_close(symexp(expected), x)


def test_symlog_and_symexp_take_numbers_in_float32():
    assert symlog(-100_000) == torch.log(torch.tensor(100_001.0)).neg().item()
    assert isinstance(symlog(3), float) and isinstance(symexp(0.5), float)
    assert symexp(symlog(12.0)) == pytest.approx(12, rel=1e-6)
    assert symlog(0) == 0


def test_activation_log():
    log, x = {}, torch.tensor([[1.0, 2.0], [6.0, 3.0]], requires_grad=True)
    log_activations(log, "x", x)
    assert {k: v.item() for k, v in log.items()} == pytest.approx(
        {
            "activation-x-max": 6,
            "activation-x-min": 1,
            "activation-x-std": math.sqrt(14 / 3),  # unbiased
            "activation-x-mean": 3,
        }
    )
    assert all(v.shape == () and not v.requires_grad for v in log.values())
    log_activations(None, "x", x)
    log_activations(log, "one", torch.ones(1))  # no warning either
    assert log["activation-one-std"].isnan()


def test_input_norm_starts_at_zero_mean_and_unit_moment():
    norm = InputNorm(3, init_nu=2.0)
    assert {k: v.tolist() for k, v in norm.state_dict().items()} == {
        "mu": [0, 0, 0],
        "nu": [2, 2, 2],
        "_t": [1],
    }
    assert not list(norm.parameters())


def test_input_norm_sigma():
    norm = InputNorm(4)
    norm.mu = torch.tensor([0.0, 1.0, 2.0, 0.0])
    norm.nu = torch.tensor([4.0, 1.0, 3.0, 1e20])
    # the third estimate of the variance is negative: its root is NaN, taken as 0
    expected = torch.tensor([math.sqrt(4 + 1e-5), math.sqrt(1e-5), 1e-3, 1e6])
    torch.testing.assert_close(norm.sigma, expected)


def test_input_norm_scales_what_varies_and_shifts_the_rest():
    norm = InputNorm(4)
    norm.mu = torch.tensor([1.0, 1.0, 2.0, torch.nan])
    norm.nu = torch.tensor([5.0, 1.0, 3.0, torch.nan])
    x = torch.tensor([[3.0, 3.0, 3.0, 3.0], [1e9, 0.0, 0.0, 0.0]])
    sigma = math.sqrt(4 + 1e-5)
    expected = torch.tensor([[2 / sigma, 2, 1, 3], [1e4, -1, -2, 0]])
    torch.testing.assert_close(norm.normalise(x), expected)
    torch.testing.assert_close(norm(x), expected)
    back = norm.denormalise(norm.normalise(x[:1]))
    torch.testing.assert_close(back, x[:1])


def test_input_norm_skip_leaves_inputs_but_keeps_statistics():
    norm = InputNorm(2, skip=True)
    x = torch.randn(3, 4, 2)
    norm.update(x)
    assert norm.mu.abs().min() > 0
    assert norm.normalise(x) is x and norm.denormalise(x) is x


def test_input_norm_update_by_hand():
    norm = InputNorm(2, beta=0.5)
    x = torch.tensor([[[1.0, 2.0], [3.0, MAGIC_PAD_VAL]]])  # only half a padding
    norm.update(x)
    beta = 0.5 / (1 - 0.5**2)  # the first update is the second by its count
    mean, square = torch.tensor([2.0, 3.0]), torch.tensor([5.0, 10.0])
    torch.testing.assert_close(norm.mu, beta * mean)
    torch.testing.assert_close(norm.nu, (1 - beta) * 1 + beta * square)
    assert norm._t.item() == 2
    mu, beta = norm.mu.clone(), 0.5 / (1 - 0.5**3)
    norm.update(x)
    torch.testing.assert_close(norm.mu, (1 - beta) * mu + beta * mean)


def test_input_norm_leaves_padding_out():
    x = torch.randn(4, 5, 3)
    padded = torch.cat((x, torch.full((4, 2, 3), MAGIC_PAD_VAL)), 1)
    plain, norm = InputNorm(3, beta=0.3), InputNorm(3, beta=0.3)
    plain.update(x)
    norm.update(padded)
    torch.testing.assert_close(norm.mu, plain.mu)
    torch.testing.assert_close(norm.nu, plain.nu)


def test_input_norm_survives_a_batch_of_padding():
    norm = InputNorm(3)
    norm.update(torch.randn(2, 3, 3))
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    norm.update(torch.full((2, 3, 3), MAGIC_PAD_VAL))
    assert all(torch.equal(v, before[k]) for k, v in norm.state_dict().items())


def test_input_norm_update_spares_graphs_that_await_backward():
    norm = InputNorm(3)
    x = torch.randn(2, 4, 3, requires_grad=True)
    loss = norm.normalise(x).square().sum()
    norm.update(x)
    loss.backward()
    assert x.grad.isfinite().all() and not norm.mu.requires_grad


def test_input_norm_refuses_other_shapes():
    with pytest.raises(ShapeError, match=r"\(B, L, 3\), got \(4, 3\)"):
        InputNorm(3).update(torch.zeros(4, 3))
    with pytest.raises(ShapeError):
        InputNorm(3).update(torch.zeros(2, 4, 5))
