"""The trajectory encoders without memory and with a recurrent one."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.nets.traj_encoders import FFTrajEncoder, GRUTrajEncoder, TrajEncoder

CPU = torch.device("cpu")


def test_the_base_is_abstract_and_remembers_nothing():
    with pytest.raises(TypeError, match="abstract"):
        TrajEncoder(3, 4)
    encoder = FFTrajEncoder(3, 4)
    assert encoder.init_hidden_state(2, CPU) is None
    hidden = object()
    assert encoder.reset_hidden_state(hidden, np.array([True, False])) is hidden


def test_ff_by_hand():
    encoder = FFTrajEncoder(3, 8, d_model=4, n_layers=2, activation="relu", norm="none")
    x = torch.randn(2, 5, 3)
    h = encoder.traj_emb(x).relu()
    for block in encoder.traj_blocks:
        assert block.ff1.weight.shape == (16, 4)  # four times d_model
        h = h + block.ff2(block.ff1(h).relu()).relu()
    torch.testing.assert_close(encoder(x)[0], encoder.traj_last(h))
    normed = FFTrajEncoder(3, 8, d_model=4, n_layers=2, activation="relu")
    normed.load_state_dict(
        encoder.state_dict()
        | {"norm.norm.weight": torch.ones(4), "norm.norm.bias": torch.zeros(4)}
    )
    expected = F.layer_norm(encoder.traj_last(h), (4,))
    torch.testing.assert_close(normed(x)[0], expected)


def test_ff_hands_its_hidden_state_back_and_needs_no_times():
    encoder, x = FFTrajEncoder(3, 8, d_ff=5), torch.randn(2, 5, 3)
    assert encoder.traj_blocks[0].ff1.weight.shape == (5, 256)
    assert encoder(x)[1] is None and encoder(x, None, "mine")[1] == "mine"


def test_ff_drops_after_the_last_norm():
    encoder = FFTrajEncoder(3, 8, dropout=0.5).train()
    zeros = (encoder(torch.randn(4, 50, 3))[0] == 0).float().mean()
    assert zeros == pytest.approx(0.5, abs=0.05)
    assert (encoder.eval()(torch.randn(4, 50, 3))[0] != 0).all()


def test_ff_default_state_dict():
    state = FFTrajEncoder(7, 8).state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == {
        "traj_emb.weight": (256, 7),
        "traj_emb.bias": (256,),
        "traj_blocks.0.ff1.weight": (1024, 256),
        "traj_blocks.0.ff1.bias": (1024,),
        "traj_blocks.0.ff2.weight": (256, 1024),
        "traj_blocks.0.ff2.bias": (256,),
        "traj_last.weight": (256, 256),
        "traj_last.bias": (256,),
        "norm.norm.weight": (256,),
        "norm.norm.bias": (256,),
    }


def test_gru_is_that_of_torch():
    torch.manual_seed(0)
    encoder = GRUTrajEncoder(3, 8, d_hidden=5, n_layers=2, d_output=4, norm="unitball")
    torch.manual_seed(0)
    gru = nn.GRU(3, 5, num_layers=2, batch_first=True)
    for (name, p), (other, q) in zip(
        encoder.rnn.named_parameters(), gru.named_parameters(), strict=True
    ):
        assert name == other and torch.equal(p, q)  # as initial weights, in this order
    x, h = torch.randn(2, 6, 3), torch.randn(2, 2, 5)
    for hidden in (None, h):
        states, after = gru(x, hidden)
        out, got = encoder(x, hidden_state=hidden)
        expected = encoder.out(states)
        expected = expected / (expected.norm(dim=-1, keepdim=True) + 1e-5)
        torch.testing.assert_close(out, expected)
        torch.testing.assert_close(got, after)


def test_gru_by_hand():
    encoder = GRUTrajEncoder(3, 8, d_hidden=2, n_layers=1, d_output=2, norm="none")
    p = dict(encoder.rnn.named_parameters())
    x, h = torch.randn(1, 4, 3), torch.zeros(1, 2)
    out = encoder(x)[0]
    for t in range(4):
        a = p["weight_ih_l0"] @ x[0, t] + p["bias_ih_l0"]
        b = p["weight_hh_l0"] @ h[0] + p["bias_hh_l0"]
        r, z = torch.sigmoid(a[:2] + b[:2]), torch.sigmoid(a[2:4] + b[2:4])
        n = torch.tanh(a[4:] + r * b[4:])
        h = ((1 - z) * n + z * h[0]).unsqueeze(0)
        torch.testing.assert_close(out[:, t], encoder.out(h))


def test_gru_carries_on_from_a_hidden_state_in_both_modes():
    encoder, x = GRUTrajEncoder(3, 8, d_hidden=5), torch.randn(2, 9, 3)
    assert encoder.init_hidden_state(2, CPU) is None
    for mode in (True, False):
        encoder.train(mode)
        whole, after = encoder(x)
        first, hidden = encoder(x[:, :4])
        assert hidden.shape == (2, 2, 5)
        second, hidden = encoder(x[:, 4:], hidden_state=hidden)
        torch.testing.assert_close(torch.cat((first, second), 1), whole)
        torch.testing.assert_close(hidden, after)


def test_gru_reset_is_in_place():
    encoder = GRUTrajEncoder(3, 8, d_hidden=5)
    hidden = torch.ones(2, 3, 5)
    got = encoder.reset_hidden_state(hidden, np.array([False, True, False]))
    assert got is hidden
    assert not hidden[:, 1].any() and hidden[:, [0, 2]].all()
    assert encoder.reset_hidden_state(None, np.array([True])) is None


def test_gru_default_state_dict():
    state = GRUTrajEncoder(7, 8).state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == {
        "rnn.weight_ih_l0": (768, 7),
        "rnn.weight_hh_l0": (768, 256),
        "rnn.bias_ih_l0": (768,),
        "rnn.bias_hh_l0": (768,),
        "rnn.weight_ih_l1": (768, 256),
        "rnn.weight_hh_l1": (768, 256),
        "rnn.bias_ih_l1": (768,),
        "rnn.bias_hh_l1": (768,),
        "out.weight": (256, 256),
        "out.bias": (256,),
        "out_norm.norm.weight": (256,),
        "out_norm.norm.bias": (256,),
    }


@pytest.mark.parametrize("kind", [FFTrajEncoder, GRUTrajEncoder])
def test_wrong_sequences_and_norms(kind):
    encoder = kind(3, 8)
    for bad in (torch.zeros(2, 3), torch.zeros(2, 5, 4)):
        with pytest.raises(ShapeError, match=r"\(B, L, 3\), got"):
            encoder(bad)
    with pytest.raises(ConfigurationError, match="normalization"):
        kind(3, 8, norm="nope")


def test_wrong_hidden_states_of_the_gru():
    encoder, x = GRUTrajEncoder(3, 8, d_hidden=5), torch.zeros(4, 1, 3)
    for bad in (torch.zeros(2, 3, 5), torch.zeros(1, 4, 5), torch.zeros(2, 4, 6)):
        with pytest.raises(ShapeError, match=r"hidden state \(2, 4, 5\), got"):
            encoder(x, hidden_state=bad)
    with pytest.raises(ConfigurationError, match="tensor as hidden state, got list"):
        encoder(x, hidden_state=[1])
    with pytest.raises(ShapeError, match=r"dones \(4,\), got \(3,\)"):
        encoder.reset_hidden_state(torch.zeros(2, 4, 5), np.zeros(3, dtype=bool))
