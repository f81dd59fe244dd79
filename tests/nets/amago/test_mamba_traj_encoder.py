"""The Mamba block and encoder against loops; initial weights; misuse."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.nets.mamba import Mamba, MambaHiddenState
from layeredrl.nets.traj_encoders import MambaTrajEncoder

CPU = torch.device("cpu")


def block_by_loop(mamba, h):
    """One row, (L, D), written from the formulas."""
    state = dict(mamba.named_parameters())
    d_inner, d_conv = mamba.d_inner, mamba.d_conv
    x, z = (h @ state["in_proj.weight"].T).split(d_inner, -1)
    padded = torch.cat((torch.zeros(d_conv - 1, d_inner), x))
    rank, n_state = mamba.dt_rank, mamba.d_state
    s, out = torch.zeros(d_inner, n_state), []
    for t in range(len(h)):
        kernel = state["conv1d.weight"][:, 0]
        conv = sum(kernel[:, k] * padded[t + k] for k in range(d_conv))
        x_t = F.silu(conv + state["conv1d.bias"])
        delta, b, c = (state["x_proj.weight"] @ x_t).split((rank, n_state, n_state))
        delta = state["dt_proj.weight"] @ delta + state["dt_proj.bias"]
        delta = torch.log(1 + torch.exp(delta))
        a = -torch.exp(state["A_log"])
        s = torch.exp(delta[:, None] * a) * s + (delta * x_t)[:, None] * b
        y = s @ c + state["D"] * x_t
        out.append(state["out_proj.weight"] @ (y * F.silu(z[t])))
    return torch.stack(out)


def scrambled(module):
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return module


@pytest.mark.parametrize(
    ("d_model", "d_conv", "expand"), [(8, 4, 2), (20, 3, 1), (6, 1, 1.5)]
)
def test_block_against_loops(d_model, d_conv, expand):
    mamba = scrambled(Mamba(d_model, d_state=3, d_conv=d_conv, expand=expand))
    assert mamba.d_inner == int(expand * d_model)
    assert mamba.dt_rank == math.ceil(d_model / 16)
    h = torch.randn(2, 9, d_model)
    expected = torch.stack([block_by_loop(mamba, row) for row in h])
    torch.testing.assert_close(mamba(h), expected, atol=1e-5, rtol=1e-4)
    conv_state = torch.zeros(2, mamba.d_inner, d_conv)
    ssm_state = torch.zeros(2, mamba.d_inner, 3)
    stepped = [mamba.step(h[:, t], conv_state, ssm_state) for t in range(9)]
    torch.testing.assert_close(torch.stack(stepped, 1), expected, atol=1e-5, rtol=1e-4)


def test_encoder_is_a_residual_stream_of_blocks():
    encoder = scrambled(MambaTrajEncoder(5, 8, d_model=8, d_state=3, norm="rmsnorm"))
    seq = torch.randn(2, 12, 5)
    y = encoder.inp(seq)
    for block in encoder.mambas:
        y = y + torch.stack([block_by_loop(block.mamba, r) for r in block.norm(y)])
    expected = encoder.out_norm(y)
    for mode in (True, False):
        out, hidden = encoder.train(mode)(seq)
        torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-4)
        assert hidden is None
    assert encoder.emb_dim == 8


def test_initial_weights():
    mamba = Mamba(256, 16, 4, 2)
    expected = torch.log(torch.arange(1.0, 17)).expand(512, 16)
    torch.testing.assert_close(mamba.A_log.detach(), expected)
    assert mamba.D.tolist() == [1] * 512
    bound = 16**-0.5
    assert 0.98 * bound < mamba.dt_proj.weight.abs().max() <= bound
    step = F.softplus(mamba.dt_proj.bias)
    assert 0.99e-3 <= step.min() and step.max() <= 0.101
    # log-uniform: as many between 0.001 and 0.01 as between 0.01 and 0.1
    assert (step < 0.01).float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_default_state_dict():
    state = MambaTrajEncoder(32, 128).state_dict()
    expected = {"inp.weight": (256, 32), "inp.bias": (256,)}
    for i in range(3):
        block = {
            "norm.norm.weight": (256,),
            "norm.norm.bias": (256,),
            "mamba.A_log": (512, 16),
            "mamba.D": (512,),
            "mamba.in_proj.weight": (1024, 256),
            "mamba.conv1d.weight": (512, 1, 4),
            "mamba.conv1d.bias": (512,),
            "mamba.x_proj.weight": (48, 512),
            "mamba.dt_proj.weight": (512, 16),
            "mamba.dt_proj.bias": (512,),
            "mamba.out_proj.weight": (256, 512),
        }
        expected |= {f"mambas.{i}.{k}": v for k, v in block.items()}
    expected |= {"out_norm.norm.weight": (256,), "out_norm.norm.bias": (256,)}
    assert {k: tuple(v.shape) for k, v in state.items()} == expected


def small(**kwargs):
    return MambaTrajEncoder(5, 8, **{"d_model": 8, "d_state": 3, **kwargs})


def test_hidden_state_follows_the_weights():
    hidden = small().double().init_hidden_state(4, torch.device("meta"))
    assert isinstance(hidden, MambaHiddenState)
    assert [tuple(s.shape) for s in hidden.conv_states] == [(4, 16, 4)] * 3
    assert [tuple(s.shape) for s in hidden.ssm_states] == [(4, 16, 3)] * 3
    for state in (*hidden.conv_states, *hidden.ssm_states):
        assert state.dtype == torch.float64 and state.device == CPU
        assert not state.any()


def test_steps_and_resets_are_in_place():
    encoder = small().eval()
    hidden, x = encoder.init_hidden_state(3, CPU), torch.randn(3, 1, 5)
    states = (*hidden.conv_states, *hidden.ssm_states)
    _, after = encoder(x, hidden_state=hidden)
    assert after is hidden and all(s.any(-1).any(-1).all() for s in states)
    assert not any(s.requires_grad for s in states)
    reset = encoder.reset_hidden_state(hidden, np.array([True, False, True]))
    assert reset is hidden
    assert all(not s[[0, 2]].any() and s[1].any() for s in states)
    assert encoder.reset_hidden_state(None, np.array([True])) is None


def test_double_precision_stays_double():
    encoder = small().double()
    assert encoder(torch.randn(2, 3, 5, dtype=torch.float64))[0].dtype == torch.float64


def test_misuse():
    encoder, x = small(), torch.randn(2, 1, 5)
    hidden = encoder.init_hidden_state(2, CPU)
    with pytest.raises(ConfigurationError, match="eval"):
        encoder.train()(x, hidden_state=hidden)
    encoder.eval()
    with pytest.raises(ShapeError, match="one step at a time"):
        encoder(torch.randn(2, 3, 5), hidden_state=hidden)
    with pytest.raises(ShapeError, match=r"\(B, L, 5\)"):
        encoder(torch.randn(2, 3, 4))
    for other in (
        encoder.init_hidden_state(3, CPU),
        small(n_layers=2).init_hidden_state(2, CPU),
        small(d_conv=3).init_hidden_state(2, CPU),
    ):
        with pytest.raises(ShapeError, match="expected hidden states"):
            encoder(x, hidden_state=other)
    with pytest.raises(ConfigurationError, match="MambaHiddenState, got Tensor"):
        encoder(x, hidden_state=torch.zeros(2, 2, 8))
    with pytest.raises(ConfigurationError, match="MambaHiddenState, got list"):
        encoder.reset_hidden_state([], np.array([True, True]))
    with pytest.raises(ShapeError, match="dones"):
        encoder.reset_hidden_state(hidden, np.array([True]))
    with pytest.raises(ConfigurationError, match="normalization"):
        small(norm="nope")
