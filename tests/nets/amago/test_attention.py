"""Both kinds of attention, against loops."""

import math

import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.nets.transformer import FlashAttention, SelfAttention, VanillaAttention

KINDS = [VanillaAttention, FlashAttention]


def attend_by_loop(qkv, causal, back=None, ahead=None):
    batch, length, _, heads, width = qkv.shape
    out = torch.zeros(batch, length, heads, width)
    for b in range(batch):
        for h in range(heads):
            for i in range(length):
                seen = [
                    j
                    for j in range(length)
                    if not (causal and j > i)
                    and (back is None or j >= i - back)
                    and (ahead is None or j <= i + ahead)
                ]
                q = qkv[b, i, 0, h]
                scores = torch.stack([q @ qkv[b, j, 1, h] for j in seen])
                weights = (scores / math.sqrt(width)).softmax(0)
                values = torch.stack([qkv[b, j, 2, h] for j in seen])
                out[b, i, h] = weights @ values
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("causal", [True, False])
def test_sequence_pass(kind, causal):
    qkv = torch.randn(2, 6, 3, 4, 5)
    attention = kind(causal=causal, dropout=0.0)
    expected = attend_by_loop(qkv, causal)
    torch.testing.assert_close(attention(qkv), expected, atol=1e-5, rtol=1e-5)
    assert not list(attention.parameters()) and not attention.state_dict()


@pytest.mark.parametrize(
    ("causal", "window", "back", "ahead"),
    [
        (True, (2, -1), 2, None),
        (True, (0, 3), 0, None),
        (False, (1, 2), 1, 2),
        (False, (-1, 1), None, 1),
        (False, (-1, -1), None, None),
    ],
)
def test_window(causal, window, back, ahead):
    qkv = torch.randn(1, 6, 3, 2, 4)
    attention = FlashAttention(causal, 0.0, window_size=window)
    expected = attend_by_loop(qkv, causal, back, ahead)
    torch.testing.assert_close(attention(qkv), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("attention", "back"),
    [
        (VanillaAttention(), None),
        (FlashAttention(), None),
        (FlashAttention(window_size=(2, 0)), 2),
    ],
)
def test_step_attends_to_filled_slots_in_any_order(attention, back):
    batch, n_slots, heads, width = 2, 7, 3, 4
    qkv = torch.randn(batch, 5, 3, heads, width)
    expected = attend_by_loop(qkv, True, back)[:, -1:]
    keys, values = torch.randn(2, batch, n_slots, heads, width)
    ages = torch.full((batch, n_slots), -1)
    for b in range(batch):
        for t, slot in enumerate(torch.randperm(n_slots)[:5]):
            keys[b, slot], values[b, slot] = qkv[b, t, 1], qkv[b, t, 2]
            ages[b, slot] = 4 - t
    out = attention.step(qkv[:, -1:, 0], keys, values, ages)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_of_weights_in_training_only(kind):
    attention, qkv = kind(dropout=0.5), torch.randn(2, 6, 3, 2, 4)
    assert torch.equal(attention.eval()(qkv), attention(qkv))
    attention.train()
    torch.manual_seed(0)
    first = attention(qkv)
    assert not torch.equal(first, attention(qkv))
    torch.manual_seed(0)
    assert torch.equal(first, attention(qkv))
    with pytest.raises(ConfigurationError, match="dropout"):
        kind(dropout=1.5)


def test_both_kinds_agree_in_gradients():
    qkv = torch.randn(2, 9, 3, 2, 4)
    grads = []
    for kind in KINDS:
        x = qkv.clone().requires_grad_()
        kind()(x).square().sum().backward()
        grads.append(x.grad)
    torch.testing.assert_close(*grads, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_precision_follows_the_inputs(kind):
    qkv = torch.randn(2, 6, 3, 2, 4)
    assert kind()(qkv).dtype == torch.float32
    half = kind()(qkv.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), kind()(qkv), atol=2e-2, rtol=2e-2)


def test_the_base_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        SelfAttention()
