"""Critics that give distributions over value bins."""

import math
import warnings

import pytest
import torch
from torch.distributions import Categorical

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.nets.actor_critic import NCriticsTwoHot

GAMMAS = torch.tensor([0.5, 0.9, 0.999])
K, B, L, G, S, A, C, N = 2, 3, 4, 3, 6, 2, 5, 11


def build(low=0.0, high=10.0, **kwargs):
    kwargs = {"output_bins": N, "use_symlog": False, "num_critics": C, **kwargs}
    return NCriticsTwoHot(
        S, A, GAMMAS, d_hidden=7, min_return=low, max_return=high, **kwargs
    )


def batch():
    return torch.randn(B, L, S), 1.2 * (2 * torch.rand(K, B, L, G, A) - 1)


def test_probabilities_are_clipped_and_renormalised():
    critics, (state, action) = build(), batch()
    critics.net.output_layer.weight.data *= 40  # some bins far beyond the clip range
    dist = critics(state, action)
    assert isinstance(dist, Categorical)
    assert dist.batch_shape == (K, B, L, C, G) and len(critics) == C
    logits = critics._outputs(state, action)
    assert logits.shape == (K, B, L, C, G, N)
    p = logits.softmax(-1)
    assert p.min() < 1e-6 and p.max() > 0.999
    q = p.clamp(1e-6, 0.999)
    torch.testing.assert_close(dist.probs, q / q.sum(-1, keepdim=True))


def test_inputs_are_those_of_continuous_critics():
    critics, (state, action) = build(), batch()
    k, b, t, c, g = 1, 2, 3, 4, 0
    weights = critics.state_dict()
    gamma = torch.tensor([math.log(1 / (1 - 0.5) + 1)])
    x = torch.cat((state[b, t], gamma, action[k, b, t, g].clamp(-0.999, 0.999)))
    for name in ("inp_layer", "core_layers.0"):
        x = x @ weights[f"net.{name}.weight"][c] + weights[f"net.{name}.bias"][0, 0, c]
        x = torch.where(x > 0, x, 0.01 * x)
    name = "net.output_layer"
    x = x @ weights[f"{name}.weight"][c] + weights[f"{name}.bias"][0, 0, c]
    logits = critics._outputs(state, action)[k, b, t, c, g]
    torch.testing.assert_close(logits.detach(), x, atol=1e-5, rtol=1e-4)


def test_default_bins_and_state_dict():
    with pytest.warns(UserWarning, match="return bounds None to None"):
        critics = NCriticsTwoHot(256, 4, GAMMAS)
    assert critics.bin_vals.shape == (128,)
    assert critics.bin_vals[0].item() == pytest.approx(-11.5129, abs=1e-4)
    assert critics.bin_vals[-1].item() == pytest.approx(11.5129, abs=1e-4)
    state = {k: tuple(v.shape) for k, v in critics.state_dict().items()}
    assert state == {
        "net.inp_layer.weight": (4, 261, 256),
        "net.inp_layer.bias": (1, 1, 4, 256),
        "net.core_layers.0.weight": (4, 256, 256),
        "net.core_layers.0.bias": (1, 1, 4, 256),
        "net.output_layer.weight": (4, 256, 128),
        "net.output_layer.bias": (1, 1, 4, 128),
    }


def test_one_missing_bound_warns_too():
    with pytest.warns(UserWarning, match="0 to None"):
        critics = build(low=0, high=None)
    assert critics.bin_vals[0] == 0 and critics.bin_vals[-1] == 1e5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build(low=-1, high=0)  # zero is a bound like any other


def test_labels_by_hand():
    critics = build()  # bins at 0, 1, ..., 10
    values = torch.tensor([0.0, 3.0, 3.25, 9.9, 10.0, -5.0, 400.0]).view(1, 7, 1)
    labels = critics.raw_vals_to_labels(values)
    expected = torch.zeros(1, 7, N)
    for row, weights in enumerate(
        [
            {0: 1},
            {3: 1},
            {3: 0.75, 4: 0.25},
            {9: 0.1, 10: 0.9},
            {10: 1},
            {0: 1},
            {10: 1},
        ]
    ):
        for where, weight in weights.items():
            expected[0, row, where] = weight
    torch.testing.assert_close(labels, expected, atol=1e-5, rtol=1e-5)


def test_labels_stand_for_their_value():
    for use_symlog in (True, False):
        critics = build(-20, 50, use_symlog=use_symlog)
        values = torch.linspace(-20, 50, 57).view(1, 57, 1)
        labels = critics.raw_vals_to_labels(values)
        back = critics.bin_dist_to_raw_vals(Categorical(probs=labels))
        torch.testing.assert_close(back, values, atol=1e-3, rtol=1e-3)


def test_expectation_comes_before_symexp():
    critics = build(-100, 100, use_symlog=True)
    probs = torch.rand(2, 3, N).softmax(-1)
    mean = (probs * critics.bin_vals).sum(-1, keepdim=True)
    expected = mean.sign() * (mean.abs().exp() - 1)
    got = critics.bin_dist_to_raw_vals(Categorical(probs=probs))
    torch.testing.assert_close(got, expected)
    assert got.shape == (2, 3, 1)


def test_nan_targets_give_nan_labels():
    labels = build().raw_vals_to_labels(torch.tensor([[torch.nan], [2.0]]))
    assert labels[0].isnan().all() and labels[1, 2] == 1


def test_wrong_settings_and_inputs():
    for low, high in ((1.0, 1.0), (2.0, 1.0)):
        with pytest.raises(ConfigurationError, match="min_return must be below"):
            build(low, high)
    with pytest.raises(ConfigurationError, match="2 bins, got 1"):
        build(output_bins=1)
    with pytest.raises(ConfigurationError, match="Categorical, got Tensor"):
        build().bin_dist_to_raw_vals(torch.zeros(3, N))
    with pytest.raises(ShapeError, match=r"\(\.\.\., 1\), got \(3, 2\)"):
        build().raw_vals_to_labels(torch.zeros(3, 2))


def test_autocast_keeps_probabilities_precise():
    critics, (state, action) = build(), batch()
    with torch.autocast("cpu", torch.bfloat16):
        dist = critics(state, action)
    assert dist.probs.dtype == torch.float32
    torch.testing.assert_close(dist.probs.sum(-1), torch.ones(K, B, L, C, G))
