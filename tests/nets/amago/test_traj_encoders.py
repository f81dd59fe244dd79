"""Every trajectory encoder, and a user's own, goes through the contract."""

from functools import partial

import pytest
import torch
from torch import nn

from layeredrl.nets.traj_encoders import (
    FFTrajEncoder,
    GRUTrajEncoder,
    MambaTrajEncoder,
    TformerTrajEncoder,
    TrajEncoder,
)
from layeredrl.nets.transformer import FlashAttention, VanillaAttention
from tests.nets.traj_encoder_contract import CONTRACT, check_no_graph_breaks

# Dropout would make compiled and plain passes differ.
Tformer = partial(
    TformerTrajEncoder,
    d_model=16,
    n_heads=4,
    d_ff=24,
    n_layers=2,
    dropout_ff=0.0,
    dropout_emb=0.0,
)


class NarrowFlash(FlashAttention):
    """Attends no further back than three steps."""

    def __init__(self, causal=True, dropout=0.0):
        super().__init__(causal, dropout, window_size=(3, 0))


class EmaTrajEncoder(TrajEncoder):
    """A user's own encoder: an exponential average of the past."""

    def __init__(self, tstep_dim, max_seq_len):
        super().__init__(tstep_dim, max_seq_len)
        self.linear = nn.Linear(tstep_dim, 3)
        self.raw_decay = nn.Parameter(torch.zeros(3))

    emb_dim = 3

    def forward(self, seq, time_idxs, hidden_state=None, log_dict=None):
        x, decay = self.linear(seq), self.raw_decay.sigmoid()
        state = torch.zeros_like(x[:, 0]) if hidden_state is None else hidden_state
        outputs = []
        for t in range(seq.shape[1]):
            state = decay * state + x[:, t]
            outputs.append(state)
        return torch.stack(outputs, 1), state

    def reset_hidden_state(self, hidden_state, dones):
        if hidden_state is not None:
            hidden_state = hidden_state.clone()
            hidden_state[torch.from_numpy(dones)] = 0
        return hidden_state


ENCODERS = {
    "ff": partial(FFTrajEncoder, d_model=16, n_layers=2),
    "gru": partial(GRUTrajEncoder, d_hidden=16, d_output=12),
    "mamba": partial(MambaTrajEncoder, d_model=16, d_state=4, n_layers=2),
    "mamba, narrow": partial(
        MambaTrajEncoder, d_model=10, d_state=3, d_conv=2, expand=1, n_layers=1
    ),
    "tformer": Tformer,
    "tformer, vanilla": partial(Tformer, attention_type=VanillaAttention),
    "tformer, plain": partial(
        Tformer, sigma_reparam=False, normformer_norms=False, head_scaling=False
    ),
    "tformer, learned": partial(Tformer, pos_emb="learned", max_time_idx=64),
    "tformer, window": partial(Tformer, attention_type=NarrowFlash),
    "tformer, adaptive": partial(Tformer, activation="adaptive", norm="rmsnorm"),
    "user's own": EmaTrajEncoder,
}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("check", CONTRACT, ids=lambda f: f.__name__)
def test_contract(check, name):
    check(ENCODERS[name])


@pytest.mark.parametrize("name", sorted(set(ENCODERS) - {"user's own"}))
def test_nothing_is_logged(name):
    encoder, log = ENCODERS[name](6, 8), {}
    encoder(torch.randn(2, 1, 6), torch.zeros(2, 1, 1).long(), None, log)
    assert log == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
def test_sequence_pass_has_no_graph_breaks(name):
    check_no_graph_breaks(ENCODERS[name])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", ENCODERS)
def test_cuda_equals_cpu(name):
    torch.manual_seed(0)
    encoder = ENCODERS[name](6, 8).eval()
    seq, time_idxs = torch.randn(4, 8, 6), torch.arange(8).view(1, 8, 1).repeat(4, 1, 1)
    expected = encoder(seq, time_idxs)[0]
    output = encoder.cuda()(seq.cuda(), time_idxs.cuda())[0]
    torch.testing.assert_close(output.cpu(), expected, atol=1e-4, rtol=1e-3)
    with torch.autocast("cuda", torch.bfloat16):
        half = encoder(seq.cuda(), time_idxs.cuda())[0]
    torch.testing.assert_close(half.float().cpu(), expected, atol=0.15, rtol=0.1)
