"""The Transformer encoder: against loops, beyond its window, and when misused."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.nets.traj_encoders import GRUTrajEncoder, TformerTrajEncoder
from layeredrl.nets.transformer import (
    FlashAttention,
    LearnablePosEmb,
    SelfAttention,
    TformerHiddenState,
    VanillaAttention,
)
from tests.nets.amago.tformer_reference import ReferenceTformer

CPU = torch.device("cpu")
DIM, SPAN = 5, 6
SMALL = {
    "d_model": 8,
    "n_heads": 2,
    "d_ff": 12,
    "n_layers": 2,
    "dropout_ff": 0.0,
    "dropout_emb": 0.0,
}


def small(**kwargs):
    encoder = TformerTrajEncoder(DIM, SPAN, **{**SMALL, **kwargs})
    with torch.no_grad():
        for p in encoder.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return encoder


def reference(encoder, **kwargs):
    config = encoder.config
    return ReferenceTformer(
        encoder.state_dict(),
        n_layers=config.n_layers,
        n_heads=config.n_heads,
        **{"window": SPAN, **kwargs},
    )


def clock(batch, length, start=0):
    return torch.arange(start, start + length).view(1, length, 1).repeat(batch, 1, 1)


VARIANTS = {
    "default": {},
    "vanilla": {"attention_type": VanillaAttention},
    "no sigma_reparam": {"sigma_reparam": False},
    "no normformer_norms": {"normformer_norms": False},
    "no head_scaling": {"head_scaling": False},
    "plain": {"sigma_reparam": False, "normformer_norms": False, "head_scaling": False},
    "rmsnorm": {"norm": "rmsnorm"},
    "gelu": {"activation": "gelu"},
    "learned": {"pos_emb": "learned", "max_time_idx": 99},
    "three heads": {"d_model": 12, "n_heads": 3},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_sequence_pass_against_loops(name):
    encoder = small(**VARIANTS[name]).eval()
    seq, times = torch.randn(2, SPAN, DIM), clock(2, SPAN, start=50)
    activation = F.gelu if name == "gelu" else F.leaky_relu
    expected = reference(encoder, activation=activation).sequences(seq, times)
    out, hidden = encoder(seq, times)
    assert hidden is None
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-4)


def test_training_pass_against_loops():
    encoder = small().train()
    seq, times = torch.randn(2, SPAN, DIM), clock(2, SPAN)
    out, _ = encoder(seq, times)  # moves u and v, then uses them
    expected = reference(encoder).sequences(seq, times)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["default", "vanilla", "plain", "learned"])
def test_steps_with_a_sliding_window_against_loops(name):
    encoder = small(**VARIANTS[name]).eval()
    loops = reference(encoder)
    batch, length = 3, 40
    rng = np.random.default_rng(0)
    dones = rng.random((length, batch)) < 0.05
    dones[:, 0] = False  # one row runs far beyond the window
    hidden, time = encoder.init_hidden_state(batch, CPU), torch.zeros(batch, 1, 1)
    for row in range(batch):
        loops.reset(row)
    for t in range(length):
        x = torch.randn(batch, 1, DIM)
        with torch.no_grad():
            out, hidden = encoder(x, time.long(), hidden)
        rows = [loops.step(row, x[row, 0], time[row, 0, 0]) for row in range(batch)]
        expected = torch.stack(rows).unsqueeze(1)
        torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-4)
        hidden = encoder.reset_hidden_state(hidden, dones[t])
        time += 1
        for row in np.flatnonzero(dones[t]):
            loops.reset(row)
            time[row] = 0
    assert dones.sum() > 1 and hidden.seq_lens[0] == SPAN - 1


def test_receptive_field_reaches_beyond_the_window():
    encoder = small().eval()
    seq, times = torch.randn(1, 2 * SPAN, DIM), clock(1, 2 * SPAN)

    def last_step(seq):
        hidden = encoder.init_hidden_state(1, CPU)
        for t in range(2 * SPAN):
            out, hidden = encoder(seq[:, t : t + 1], times[:, t : t + 1], hidden)
        return out

    changed = seq.clone()
    changed[:, SPAN - 1] += 1  # just left the window of the last step
    assert not torch.allclose(last_step(seq), last_step(changed), atol=1e-5)
    changed = seq.clone()
    changed[:, 0] += 1  # two layers see 2 (SPAN - 1) steps back, and no further
    assert torch.equal(last_step(seq), last_step(changed))


class CountsNewNumbers(TorchDispatchMode):
    """Finds the largest tensor that any operation makes."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        known = {
            x.untyped_storage().data_ptr()
            for x in tree_leaves((args, kwargs))
            if isinstance(x, torch.Tensor)
        }
        out = func(*args, **kwargs)
        for x in tree_leaves(out):
            if isinstance(x, torch.Tensor):
                if x.untyped_storage().data_ptr() not in known:
                    self.largest = max(self.largest, x.numel())
        return out


@pytest.mark.parametrize("kind", [FlashAttention, VanillaAttention])
def test_no_step_copies_the_cache(kind):
    span = 200
    encoder = TformerTrajEncoder(DIM, span, **SMALL, attention_type=kind).eval()
    hidden, x = encoder.init_hidden_state(2, CPU), torch.randn(2, 1, DIM)
    caches = (hidden.key_cache, hidden.val_cache)
    pointers = [cache.data_ptr() for cache in caches]
    made = []
    for t in range(span + 5):
        with torch.no_grad(), CountsNewNumbers() as counter:
            _, after = encoder(x, torch.full((2, 1, 1), t), hidden)
        assert after is hidden  # changed in place
        made.append(counter.largest)
    # one score per head and slot at most: far less than one layer's keys
    assert max(made) <= 2 * span * encoder.config.n_heads < caches[0][0].numel() / 3
    assert made[-1] == made[0]  # a full window costs what an empty one costs
    assert [cache.data_ptr() for cache in caches] == pointers


def test_default_state_dict():
    encoder = TformerTrajEncoder(256, 128)
    assert sum(p.numel() for p in encoder.parameters()) == 2_440_996
    norms = {"norm1": 256, "norm2": 256, "norm3": 256, "norm4": 1024}
    expected = {"inp.weight": (256, 256), "inp.bias": (256,)}
    for i in range(3):
        layer = {"attention_layer.head_scaler": (1, 1, 8, 1)}
        for name, d_out, d_in in (
            ("attention_layer.qkv_projection", 768, 256),
            ("attention_layer.out_projection", 256, 256),
            ("ff1", 1024, 256),
            ("ff2", 256, 1024),
        ):
            layer |= {f"{name}.weight": (d_out, d_in), f"{name}.gamma": (1,)}
            layer |= {f"{name}.u": (d_out,), f"{name}.v": (d_in,)}
            if "qkv" not in name:
                layer |= {f"{name}.bias": (d_out,)}
        for name, d in norms.items():
            layer |= {f"{name}.norm.weight": (d,), f"{name}.norm.bias": (d,)}
        expected |= {f"layers.{i}.{k}": v for k, v in layer.items()}
    expected |= {"norm.norm.weight": (256,), "norm.norm.bias": (256,)}
    state = {k: tuple(v.shape) for k, v in encoder.state_dict().items()}
    assert state == {f"tformer.{k}": v for k, v in expected.items()}


def test_switches_decide_which_keys_exist():
    keys = set(small(sigma_reparam=False).state_dict())
    assert not [k for k in keys if k.endswith((".gamma", ".u", ".v"))]
    keys = set(small(normformer_norms=False).state_dict())
    assert not [k for k in keys if "norm2" in k or "norm4" in k]
    for head_scaling in (True, False):
        scaler = small(head_scaling=head_scaling).tformer.layers[0].attention_layer
        assert scaler.head_scaler.requires_grad == head_scaling


def test_dropout_in_training_only():
    for name in ("dropout_ff", "dropout_emb", "dropout_attn", "dropout_qkv"):
        encoder = small(**{name: 0.5})
        seq, times = torch.randn(2, SPAN, DIM), clock(2, SPAN)
        assert torch.equal(encoder.eval()(seq, times)[0], encoder(seq, times)[0])
        encoder = small(sigma_reparam=False, **{name: 0.5}).train()
        torch.manual_seed(0)
        first = encoder(seq, times)[0]
        assert not torch.equal(first, encoder(seq, times)[0]), name
        torch.manual_seed(0)
        assert torch.equal(first, encoder(seq, times)[0]), name


def test_attention_type_is_called_with_causal_and_dropout():
    class Recorded(VanillaAttention):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.kwargs = kwargs

    encoder = small(attention_type=Recorded, dropout_attn=0.3)
    attention = encoder.tformer.layers[1].attention_layer.self_attention
    assert attention.kwargs == {"causal": True, "dropout": 0.3}
    hidden = encoder.init_hidden_state(2, CPU)
    assert hidden.key_cache.dtype == torch.float32
    assert isinstance(attention, SelfAttention)


def test_hidden_state_follows_the_weights():
    encoder = TformerTrajEncoder(DIM, SPAN, **SMALL).bfloat16().eval()
    hidden = encoder.init_hidden_state(3, CPU)
    assert hidden.key_cache.shape == (2, 3, SPAN, 2, 4)
    assert hidden.key_cache.dtype == torch.bfloat16
    x = torch.randn(3, 1, DIM, dtype=torch.bfloat16)
    out, _ = encoder(x, clock(3, 1), hidden)
    assert out.dtype == torch.bfloat16
    assert encoder.emb_dim == 8


def test_heads_that_do_not_divide_warn():
    with pytest.warns(UserWarning, match="30 is no multiple of n_heads 4.*7 features"):
        encoder = TformerTrajEncoder(DIM, SPAN, d_model=30, n_heads=4, d_ff=8)
    out, _ = encoder.eval()(torch.randn(2, SPAN, DIM), clock(2, SPAN))
    assert out.shape == (2, SPAN, 30)
    assert encoder.init_hidden_state(2, CPU).key_cache.shape[-2:] == (4, 7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TformerTrajEncoder(DIM, SPAN, d_model=28, n_heads=4, d_ff=8)


def test_unknown_names():
    for kwargs, match in (
        ({"pos_emb": "rope"}, "position embedding 'rope'.*fixed or learned"),
        ({"activation": "swish"}, "activation 'swish'"),
        ({"norm": "batch"}, "normalization 'batch'"),
        ({"attention_type": torch.nn.Linear}, "attention_type.*Linear"),
        ({"attention_type": FlashAttention()}, "attention_type"),
        ({"d_model": 7, "n_heads": 1}, "even d_model"),
        ({"n_heads": 9}, "from 1 to d_model 8, got 9"),
        ({"n_heads": 0}, "from 1 to d_model 8, got 0"),
    ):
        with pytest.raises(ConfigurationError, match=match):
            TformerTrajEncoder(DIM, SPAN, **{**SMALL, **kwargs})


def test_wrong_sequences_and_times():
    encoder, seq = small(), torch.randn(2, 3, DIM)
    with pytest.raises(ShapeError, match=r"\(B, L, 5\), got \(2, 3, 4\)"):
        encoder(seq[..., :4], clock(2, 3))
    with pytest.raises(ShapeError, match=r"\(2, 3, 1\), got None"):
        encoder(seq, None)
    for bad in (clock(2, 3)[..., 0], clock(2, 4), clock(1, 3)):
        with pytest.raises(ShapeError, match=r"time_idxs of shape \(2, 3, 1\)"):
            encoder(seq, bad)


def test_wrong_use_of_hidden_states():
    encoder, seq = small(), torch.randn(2, 1, DIM)
    hidden = encoder.init_hidden_state(2, CPU)
    with pytest.raises(ConfigurationError, match="eval"):
        encoder.train()(seq, clock(2, 1), hidden)
    encoder.eval()
    with pytest.raises(ShapeError, match="one step at a time, got a sequence of 3"):
        encoder(torch.randn(2, 3, DIM), clock(2, 3), hidden)
    for other in (
        encoder.init_hidden_state(3, CPU),
        small(n_layers=1).init_hidden_state(2, CPU),
        TformerTrajEncoder(DIM, SPAN + 1, **SMALL).init_hidden_state(2, CPU),
    ):
        with pytest.raises(ShapeError, match="max_seq_len.*got"):
            encoder(seq, clock(2, 1), other)
    _, foreign = GRUTrajEncoder(DIM, SPAN)(seq)
    with pytest.raises(ConfigurationError, match="TformerHiddenState, got Tensor"):
        encoder(seq, clock(2, 1), foreign)
    with pytest.raises(ConfigurationError, match="TformerHiddenState"):
        encoder.reset_hidden_state(foreign, np.array([True, False]))
    with pytest.raises(ShapeError, match=r"dones \(2,\), got \(3,\)"):
        encoder.reset_hidden_state(hidden, np.array([True, False, True]))
    assert encoder.reset_hidden_state(None, np.array([True])) is None
    assert isinstance(hidden, TformerHiddenState) and not hidden.seq_lens.any()


def test_learned_positions_are_in_the_sum():
    encoder = small(pos_emb="learned", max_time_idx=20).eval()
    assert isinstance(encoder.tformer.position_embedding, LearnablePosEmb)
    seq = torch.randn(1, 3, DIM)
    assert not torch.equal(
        encoder(seq, clock(1, 3))[0], encoder(seq, clock(1, 3, 9))[0]
    )


def test_state_dict_just_loads():
    source, target = small(), small()
    target.load_state_dict(source.state_dict(), strict=True)
    seq, times = torch.randn(2, SPAN, DIM), clock(2, SPAN)
    out = target.eval()(seq, times)[0]
    assert torch.equal(out, source.eval()(seq, times)[0])
