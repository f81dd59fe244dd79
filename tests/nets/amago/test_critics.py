"""Critic ensembles, one by one against plain matrix products."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.nets.actor_critic import NCritics, NCriticsTwoHot, gammas_as_input_seq
from layeredrl.nets.critic_ensemble import Ensemble

GAMMAS = torch.tensor([0.5, 0.9, 0.999])
K, B, L, G, S, A, C = 2, 3, 4, 3, 6, 2, 5


def feature(gamma):
    return math.log(1 / min(max(1 - gamma, 1e-6), 1) + 1)


def evaluate(state, c, x, n_layers=2):
    """One critic on rows (n, d_in)."""
    names = ["inp_layer", *(f"core_layers.{i}" for i in range(n_layers - 1))]
    for name in names:
        weight, bias = state[f"net.{name}.weight"], state[f"net.{name}.bias"]
        x = F.leaky_relu(x @ weight[c] + bias[0, 0, c])
    weight, bias = state["net.output_layer.weight"], state["net.output_layer.bias"]
    return x @ weight[c] + bias[0, 0, c]


def batch(k=K):
    return torch.randn(B, L, S), 1.2 * (2 * torch.rand(k, B, L, G, A) - 1)


@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_continuous_critics_by_hand(n_layers):
    critics = NCritics(S, A, False, GAMMAS, C, d_hidden=7, n_layers=n_layers)
    state, action = batch()
    values = critics(state, action)
    assert values.shape == (K, B, L, C, G, 1) and len(critics) == C
    for k in range(K):
        for g in range(G):
            gamma = torch.full((B, L, 1), feature(GAMMAS[g].item()))
            x = torch.cat((state, gamma, action[k, :, :, g].clamp(-0.999, 0.999)), -1)
            for c in range(C):
                expected = evaluate(critics.state_dict(), c, x, n_layers)
                torch.testing.assert_close(
                    values[k, :, :, c, g].detach(), expected, atol=1e-5, rtol=1e-4
                )


def test_discrete_critics_by_hand():
    critics = NCritics(S, A, True, GAMMAS, C, d_hidden=7)
    state = torch.randn(B, L, S)
    action = torch.rand(1, B, L, G, A) * 3  # soft, not clamped
    values = critics(state, action)
    assert values.shape == (1, B, L, C, G, 1)
    for c in range(C):
        out = evaluate(critics.state_dict(), c, state).view(B, L, G, A)
        expected = (out * action[0]).sum(-1)
        torch.testing.assert_close(
            values[0, :, :, c, :, 0].detach(), expected, atol=1e-5, rtol=1e-4
        )


def test_no_gradient_through_clamped_actions():
    critics = NCritics(S, A, False, GAMMAS, C, d_hidden=7)
    state, action = batch()
    action.requires_grad_()
    critics(state, action).sum().backward()
    clamped = action.detach().abs() > 0.999
    assert clamped.any() and not action.grad[clamped].any()
    assert action.grad[~clamped].all()


@pytest.mark.parametrize(
    ("discrete", "inputs", "outputs"), [(False, 261, 1), (True, 256, 12)]
)
def test_default_state_dict(discrete, inputs, outputs):
    critics = NCritics(256, 4, discrete, GAMMAS)
    state = {k: tuple(v.shape) for k, v in critics.state_dict().items()}
    assert state == {
        "net.inp_layer.weight": (4, inputs, 256),
        "net.inp_layer.bias": (1, 1, 4, 256),
        "net.core_layers.0.weight": (4, 256, 256),
        "net.core_layers.0.bias": (1, 1, 4, 256),
        "net.output_layer.weight": (4, 256, outputs),
        "net.output_layer.bias": (1, 1, 4, outputs),
    }
    assert len(critics) == 4


def test_initial_weights():
    critics = NCritics(300, 4, False, GAMMAS, d_hidden=200)
    for layer, fan_in in (
        (critics.net.inp_layer, 305),
        (critics.net.core_layers[0], 200),
        (critics.net.output_layer, 200),
    ):
        bound = math.sqrt(3 / fan_in)
        assert 0.98 * bound < layer.weight.abs().max() <= bound
        assert layer.bias.abs().max() <= 1 / math.sqrt(fan_in)
    assert critics.net.inp_layer.bias.std() > 0.5 / math.sqrt(305)


def test_state_is_multiplied_once_for_all_gammas_and_samples():
    critics = NCritics(256, A, False, GAMMAS)
    state, action = torch.randn(B, L, 256), torch.rand(8, B, L, G, A)
    with FlopCounterMode(display=False) as counter:
        critics(state, action)
    rows, width = 8 * B * L * G, 4 * 256
    once = 2 * B * L * 256 * width
    rest = 2 * rows * A * width + 2 * G * width + 2 * rows * width * (256 + 1)
    assert counter.get_total_flops() == once + rest


def test_dropout_and_activation():
    critics, (state, action) = NCritics(S, A, False, GAMMAS, dropout_p=0.5), batch()
    assert torch.equal(critics.eval()(state, action), critics(state, action))
    critics.train()
    assert not torch.equal(critics(state, action), critics(state, action))
    adaptive = NCritics(S, A, False, GAMMAS, activation="adaptive")
    assert "net.activation.numerator" in adaptive.state_dict()
    with pytest.raises(ConfigurationError, match="activation"):
        NCritics(S, A, False, GAMMAS, activation="nope")


@pytest.mark.filterwarnings("ignore:return bounds")
@pytest.mark.parametrize("kind", ["continuous", "discrete", "two hot"])
def test_wrong_shapes(kind):
    if kind == "two hot":
        critics = NCriticsTwoHot(S, A, GAMMAS)
    else:
        critics = NCritics(S, A, kind == "discrete", GAMMAS)
    state, action = batch(k=1)
    critics(state, action)
    for bad_state, bad_action in (
        (state, action[0]),
        (state, action[:, :2]),
        (state, action[:, :, :, :2]),
        (state, action[..., :1]),
        (state[..., :3], action),
        (state[0], action),
    ):
        with pytest.raises(ShapeError, match=r"\(K, B, L, 3, 2\), got"):
            critics(bad_state, bad_action)


def test_discrete_critics_take_one_sample():
    critics = NCritics(S, A, True, GAMMAS)
    with pytest.raises(ShapeError, match="K = 1.*got 2"):
        critics(*batch(k=2))


def test_gammas_as_input_seq():
    gammas = torch.tensor([0.0, 0.9, 1.0], dtype=torch.float64)
    seq = gammas_as_input_seq(gammas, 2, 3)
    assert seq.shape == (6, 3, 1) and seq.dtype == torch.float64
    expected = [feature(g) for g in (0.0, 0.9, 1.0)] * 2  # row slow, gamma fast
    for t in range(3):
        assert seq[:, t, 0].tolist() == pytest.approx(expected)
    assert gammas_as_input_seq(gammas, 2, 3) is not seq  # nothing is kept alive


def test_gammas_may_be_precise_or_few():
    critics = NCritics(S, A, False, torch.tensor([0.99], dtype=torch.float64))
    state, action = batch()
    assert critics(state, action[:, :, :, :1]).dtype == torch.float32


def test_ensemble_over_one_part():
    ensemble = Ensemble(6, 8, 2, 3, n_members=4, activation="gelu")
    x = torch.randn(2, 5, 6)
    out = ensemble(x)
    assert out.shape == (2, 5, 4, 3)
    torch.testing.assert_close(ensemble(x[..., :2], x[..., 2:]), out)
    for bad in ({"n_layers": 0}, {"n_members": 0}):
        with pytest.raises(ConfigurationError, match="at least one"):
            Ensemble(6, 8, bad.get("n_layers", 2), 3, n_members=bad.get("n_members", 4))


def test_nothing_is_logged():
    log = {}
    NCritics(S, A, False, GAMMAS)(*batch(), log_dict=log)
    NCriticsTwoHot(S, A, GAMMAS, min_return=0, max_return=1)(*batch(), log_dict=log)
    assert log == {}


def test_autocast():
    critics, (state, action) = NCritics(S, A, False, GAMMAS), batch()
    expected = critics(state, action)
    with torch.autocast("cpu", torch.bfloat16):
        values = critics(state, action)
    torch.testing.assert_close(values.float(), expected, atol=0.1, rtol=0.1)
