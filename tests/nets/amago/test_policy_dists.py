"""Action distributions, by hand and by numerical integration."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Beta as TorchBeta
from torch.distributions import Categorical, Normal

from layeredrl.nets.policy_dists import (
    GMM,
    Beta,
    Discrete,
    DiscreteLikeContinuous,
    Multibinary,
    PolicyOutput,
    TanhGaussian,
    softplus_bounded_positive,
    tanh_bounded_positive,
)

A = 3
GRID = torch.linspace(-1 + 1e-4, 1 - 1e-4, 20001, dtype=torch.float64)


@pytest.mark.parametrize(
    ("kind", "n_inputs", "discrete", "differentiable"),
    [
        (Discrete, A, True, True),
        (TanhGaussian, 2 * A, False, True),
        (GMM, 2 * 5 * A + 5, False, False),
        (Beta, 2 * A, False, True),
        (Multibinary, A, False, False),
    ],
)
def test_table_of_kinds(kind, n_inputs, discrete, differentiable):
    output = kind(A)
    assert isinstance(output, PolicyOutput)
    assert not isinstance(output, torch.nn.Module)
    assert output.input_dimension == n_inputs
    assert output.is_discrete is discrete
    assert output.actions_differentiable is differentiable
    dist = output(torch.randn(2, 4, 2, n_inputs))
    assert isinstance(dist, torch.distributions.Distribution)
    assert dist.sample().shape == (2, 4, 2, 1 if discrete else A)
    assert dist.sample((7,)).shape[:4] == (7, 2, 4, 2)
    half = output(torch.randn(2, 2, n_inputs).bfloat16())
    assert half.sample().isfinite().all()


def test_the_base_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        PolicyOutput(3)


def test_bounded_positive_numbers():
    raw = torch.tensor([-1e3, -1.0, 0.0, 1.0, 1e3])
    low, high = math.exp(-5), math.exp(2)
    expected = torch.exp(-5 + 3.5 * (torch.tanh(raw) + 1))
    torch.testing.assert_close(tanh_bounded_positive(raw, low, high), expected)
    assert tanh_bounded_positive(raw, low, high)[-1].item() == pytest.approx(high)
    torch.testing.assert_close(
        softplus_bounded_positive(raw, 0.1, None), F.softplus(raw) + 0.1
    )
    assert softplus_bounded_positive(raw, 0.1, 0.5).max() == 0.5


def test_discrete_probabilities_are_clipped_and_renormalised():
    vec = torch.tensor([[10.0, 0.0, -10.0], [0.0, 0.0, 0.0]], requires_grad=True)
    log = {}
    dist = Discrete(3)(vec, log_dict=log)
    p = vec.detach().softmax(-1)
    q = p.clamp(0.001, 0.99)
    q = q / q.sum(-1, keepdim=True)
    torch.testing.assert_close(dist.probs.detach(), q)
    torch.testing.assert_close(dist.logits.detach(), q.log())
    assert log["activation-Discrete-probs-max"] == p.max()
    dist.probs[0].sum().backward()
    assert not vec.grad[0].any()
    index = torch.tensor([0, 2])
    torch.testing.assert_close(dist.log_prob(index).detach(), q[[0, 1], [0, 2]].log())
    assert dist.sample().dtype == torch.int64
    custom = Discrete(3, clip_prob_low=0.2, clip_prob_high=0.5)(vec[:1])
    torch.testing.assert_close(custom.probs[0].detach(), torch.tensor([5.0, 2, 2]) / 9)


def test_discrete_gradient_passes_the_clip_where_nothing_is_clipped():
    vec = torch.randn(4, 3, requires_grad=True)
    Discrete(3, 0.0, 1.0)(vec).log_prob(torch.tensor([0, 1, 2, 0])).sum().backward()
    expected = F.one_hot(torch.tensor([0, 1, 2, 0]), 3) - vec.detach().softmax(-1)
    torch.testing.assert_close(vec.grad, expected, atol=1e-5, rtol=1e-4)


def test_tanh_gaussian_by_hand():
    vec, log = torch.randn(2, 1, 2 * A), {}
    dist = TanhGaussian(A)(vec, log_dict=log)
    mu, raw = vec[..., :A], vec[..., A:]
    std = torch.exp(-5 + 0.5 * 7 * (torch.tanh(raw) + 1))
    torch.testing.assert_close(dist.mean, torch.tanh(mu))
    assert dist.batch_shape == (2, 1, A) and dist.event_shape == ()
    y = torch.tensor([-1.0, 0.5, 0.999]).expand(2, 1, A)
    clipped = y.clamp(-0.99, 0.99)
    x = 0.5 * (torch.log1p(clipped) - torch.log1p(-clipped))
    density = Normal(mu, std).log_prob(x)
    expected = density - 2 * (math.log(2) - x - F.softplus(-2 * x))
    torch.testing.assert_close(dist.log_prob(y), expected)
    for name, value in (("mu", mu), ("std", std), ("raw_std", raw)):
        assert log[f"activation-TanhGaussian-{name}-mean"] == value.mean()
    assert len(log) == 12


def test_tanh_gaussian_scores_its_own_last_sample_unclipped():
    dist = TanhGaussian(1)(torch.tensor([[5.0, 0.0]]))  # far beyond the clip range
    std = math.exp(-1.5)
    torch.manual_seed(0)
    z = Normal(5.0, std).rsample((1, 1))
    torch.manual_seed(0)
    y = dist.rsample()
    torch.testing.assert_close(y, torch.tanh(z))
    jacobian = 2 * (math.log(2) - z - F.softplus(-2 * z))
    expected = Normal(5.0, std).log_prob(z) - jacobian
    torch.testing.assert_close(dist.log_prob(y), expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(dist.log_prob(y.clone()), expected, atol=0.1)
    mean = dist.mean
    at_mean = Normal(5.0, std).log_prob(torch.tensor(5.0))
    jacobian = 2 * (math.log(2) - 5 - F.softplus(torch.tensor(-10.0)))
    torch.testing.assert_close(dist.log_prob(mean).squeeze(), at_mean - jacobian)


def test_tanh_gaussian_gradients_reach_samples():
    vec = torch.randn(4, 2 * A, requires_grad=True)
    TanhGaussian(A)(vec).rsample().sum().backward()
    assert vec.grad.all()
    assert not TanhGaussian(A)(vec).sample().requires_grad


def test_gmm_by_hand():
    vec, log = torch.randn(2, 2 * 2 * A + 2), {}
    dist = GMM(A, gmm_modes=2, std_high=0.7)(vec, log_dict=log)
    means = vec[:, : 2 * A].view(2, 2, A)  # mode slow
    raw = vec[:, 2 * A : 4 * A].view(2, 2, A)
    stds = (F.softplus(raw) + 1e-4).clamp(max=0.7)
    weights = vec[:, 4 * A :].softmax(-1)
    mean = torch.tanh((weights.unsqueeze(-1) * means).sum(1))
    torch.testing.assert_close(dist.mean, mean)
    y = torch.tensor([[-1.0, 0.3, 0.999999], [0.0, 1.0, -0.5]])
    x = 0.5 * torch.log((1 + y).clamp(min=1e-6) / (1 - y).clamp(min=1e-6))
    modes = Normal(means, stds).log_prob(x.unsqueeze(1)).sum(-1)
    mixture = torch.logsumexp(modes + weights.log(), -1)
    expected = mixture - torch.log(1 - y**2 + 1e-6).sum(-1)
    torch.testing.assert_close(dist.log_prob(y), expected.unsqueeze(-1))
    with pytest.raises(NotImplementedError):
        dist.rsample()
    assert dist.sample((1000,)).abs().max() <= 1
    for name, value in (
        ("means", means),
        ("raw_std", raw),
        ("stds", stds),
        ("logits", vec[:, 4 * A :]),
    ):
        assert log[f"activation-GMM-{name}-max"] == value.max()
    assert len(log) == 16


def test_beta_by_hand():
    vec, log = torch.randn(2, 2 * A), {}
    dist = Beta(A, beta_high=1.5)(vec, log_dict=log)
    alpha = F.softplus(vec[:, :A]) + 1.0001
    beta = (F.softplus(vec[:, A:]) + 1.0001).clamp(max=1.5)
    torch.testing.assert_close(dist.mean, 2 * alpha / (alpha + beta) - 1)
    y = torch.tensor([-1.0, 0.3, 0.999]).expand(2, A)
    b = (y.clamp(-0.99, 0.99) + 1) / 2
    expected = TorchBeta(alpha, beta).log_prob(b) - math.log(2)
    torch.testing.assert_close(dist.log_prob(y), expected)
    sample = dist.rsample()
    assert sample.shape == (2, A) and sample.abs().max() < 1
    assert log["activation-Beta-alpha-min"] == alpha.min()
    assert log["activation-Beta-beta-max"] == beta.max() and len(log) == 8


@pytest.mark.parametrize("kind", [TanhGaussian, GMM, Beta])
def test_densities_integrate_to_one(kind):
    clip = {} if kind is GMM else {"clip_actions_on_log_prob": (-1 + 1e-9, 1 - 1e-9)}
    output = kind(1, **clip)
    vec = torch.randn(1, output.input_dimension, dtype=torch.float64)
    density = output(vec).log_prob(GRID.view(-1, 1, 1)).exp().flatten()
    assert torch.trapezoid(density, GRID).item() == pytest.approx(1, abs=0.02)


def test_multibinary():
    vec, log = torch.randn(2, A), {}
    dist = Multibinary(A)(vec, log_dict=log)
    torch.testing.assert_close(dist.mean, vec.sigmoid())
    on = torch.ones(2, A)
    torch.testing.assert_close(dist.log_prob(on), F.logsigmoid(vec))
    assert log == {}


def test_discrete_like_continuous():
    logits = torch.randn(5, 4, requires_grad=True)
    dist = DiscreteLikeContinuous(Categorical(logits=logits))
    torch.testing.assert_close(dist.probs, logits.softmax(-1))
    torch.testing.assert_close(dist.entropy(), Categorical(logits=logits).entropy())
    torch.manual_seed(0)
    sample = dist.rsample()
    torch.manual_seed(0)
    normalized = logits - logits.logsumexp(-1, keepdim=True)
    assert torch.equal(sample, F.gumbel_softmax(normalized, tau=0.5, hard=True))
    assert (sample.max(-1).values - 1).abs().max() < 1e-6
    (sample * torch.randn(5, 4)).sum().backward()
    assert logits.grad.any()
    one_hot = F.one_hot(torch.tensor([0, 1, 2, 3, 0]), 4).float()
    expected = logits.log_softmax(-1)[range(5), [0, 1, 2, 3, 0]]
    torch.testing.assert_close(dist.log_prob(one_hot), expected)
    assert dist.sample((3,)).shape == dist.rsample((3,)).shape == (3, 5, 4)
