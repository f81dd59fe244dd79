import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from layeredrl.types import MixturePrediction
from layeredrl.utils.distributions import (
    draw_modes,
    gaussian_log_prob,
    log_weights,
    mixture_log_prob,
    mixture_mean,
    mixture_moments,
    prediction_moments,
)


@pytest.fixture
def mixture(generator):
    """Weights (5, 4), means (5, 4, 3) and standard deviations (5, 4, 3)."""
    weights = torch.rand(5, 4, generator=generator).softmax(-1)
    mean = torch.randn(5, 4, 3, generator=generator)
    std = torch.rand(5, 4, 3, generator=generator) + 0.1
    return weights, mean, std


def reference(weights, mean, std):
    return MixtureSameFamily(Categorical(weights), Independent(Normal(mean, std), 1))


def test_gaussian_density(generator, mixture):
    _, mean, std = mixture
    x = torch.randn(5, 4, 3, generator=generator)
    expected = Normal(mean, std).log_prob(x).sum(-1)
    torch.testing.assert_close(gaussian_log_prob(x, mean, std.log()), expected)


def test_mixture_density(generator, mixture):
    weights, mean, std = mixture
    x = torch.randn(5, 3, generator=generator)
    torch.testing.assert_close(
        mixture_log_prob(x, mean, std.log(), weights.log()),
        reference(weights, mean, std).log_prob(x),
    )


def test_mixture_density_far_away_is_finite_and_so_is_its_gradient(mixture):
    weights, mean, std = mixture
    x = torch.full((5, 3), 1e8, requires_grad=True)
    log_prob = mixture_log_prob(x, mean, std.log(), weights.log())
    assert log_prob.isfinite().all() and (log_prob < -1e14).all()
    log_prob.sum().backward()
    assert x.grad.isfinite().all()


def test_mixture_mean(mixture):
    weights, mean, std = mixture
    torch.testing.assert_close(
        mixture_mean(weights, mean), reference(weights, mean, std).mean
    )


def test_mixture_moments(mixture):
    expected = reference(*mixture)
    mean, std = mixture_moments(*mixture)
    torch.testing.assert_close(mean, expected.mean)
    torch.testing.assert_close(std, expected.stddev)


def test_moments_of_a_prediction_count_every_member_alike(mixture):
    # Five members with four modes each, of one transition.
    weights, mean, std = (x.unsqueeze(0) for x in mixture)
    prediction = MixturePrediction(mean, weights, std, torch.zeros(1, 5))
    expected = reference(weights.flatten(1) / 5, mean.flatten(1, 2), std.flatten(1, 2))
    found_mean, found_std = prediction_moments(prediction)
    torch.testing.assert_close(found_mean, expected.mean)
    torch.testing.assert_close(found_std, expected.stddev)


def test_modes_are_drawn_by_their_weights(generator):
    weights = torch.tensor([0.1, 0.6, 0.3])
    modes = draw_modes(weights.expand(20_000, 3), generator)
    frequency = torch.bincount(modes, minlength=3) / len(modes)
    torch.testing.assert_close(frequency, weights, atol=0.015, rtol=0)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_modes_without_weight_are_never_drawn(mode, monkeypatch):
    weights = torch.zeros(2, 3)
    weights[:, mode] = 1.0
    # The ends of what torch.rand can return.
    ends = torch.tensor([[0.0], [1.0 - 2.0**-24]])
    monkeypatch.setattr(torch, "rand", lambda *args, **kwargs: ends)
    assert draw_modes(weights, None).tolist() == [mode, mode]


def test_rounding_cannot_select_a_mode_that_does_not_exist(monkeypatch):
    weights = torch.full((1, 7), 1 / 7)  # sums to a little less than 1
    largest = torch.tensor([[1.0 - 2.0**-24]])
    monkeypatch.setattr(torch, "rand", lambda *args, **kwargs: largest)
    assert draw_modes(weights, None).tolist() == [6]


def test_a_single_mode_is_always_drawn(generator):
    assert draw_modes(torch.ones(4, 2, 1), generator).tolist() == [[0, 0]] * 4


def test_log_weights_keep_gradients_finite():
    logits = torch.tensor([0.0, -500.0], requires_grad=True)
    log = log_weights(logits.softmax(-1))
    assert log[1] < -80
    torch.logsumexp(log, 0).backward()
    assert logits.grad.isfinite().all()
    weights = torch.tensor([0.25, 0.75])
    torch.testing.assert_close(log_weights(weights), weights.log())
