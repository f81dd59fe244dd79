import math

import pytest
import torch

from layeredrl.optimizers import Bounds
from layeredrl.optimizers.bounded_sampler import BoundedSampler
from layeredrl.optimizers.gaussian import Gaussian

BOUNDS = Bounds([-1.0], [1.0])


def make(mean, std, horizon=1):
    return Gaussian(torch.full((1, horizon, 1), mean), torch.full((1, horizon, 1), std))


def truncated_moments(mean, std, low=-1.0, high=1.0):
    """Mean and standard deviation of a truncated normal distribution."""
    a, b = (low - mean) / std, (high - mean) / std

    def density(x):
        return math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)

    mass = 0.5 * (math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2)))
    shift = (density(a) - density(b)) / mass
    variance = 1 + (a * density(a) - b * density(b)) / mass - shift**2
    return mean + std * shift, std * math.sqrt(variance)


@pytest.mark.parametrize("use_mirroring", [True, False])
@pytest.mark.parametrize("noise_beta", [0.0, 2.0])
@pytest.mark.parametrize(
    "mean, std", [(0.0, 0.3), (0.0, 2.0), (0.8, 0.5), (1.0, 0.5), (-1.0, 0.01)]
)
def test_truncated_samples_have_the_moments_of_the_formula(
    mean, std, noise_beta, use_mirroring, generator
):
    sampler = BoundedSampler(
        BOUNDS, "truncate", noise_beta=noise_beta, use_mirroring=use_mirroring
    )
    samples = sampler.draw(make(mean, std, horizon=4), 40_000, generator)
    expected_mean, expected_std = truncated_moments(mean, std)
    # Mirrored pairs and coloured steps are not independent, so errors are a bit larger.
    assert abs(samples.mean().item() - expected_mean) < 0.015 * std
    assert abs(samples.std().item() - expected_std) < 0.015 * std
    assert samples.min() >= -1.0 and samples.max() <= 1.0
    if (mean, std) != (-1.0, 0.01):
        assert (samples.abs() == 1.0).float().mean() < 1e-4


def test_clipped_samples_pile_up_at_the_bounds(generator):
    samples = BoundedSampler(BOUNDS).draw(make(0.0, 1.0), 20_000, generator)
    outside = math.erfc(1.0 / math.sqrt(2.0))
    assert abs((samples.abs() == 1.0).float().mean().item() - outside) < 0.01


@pytest.mark.parametrize("sampling", ["clip", "truncate"])
@pytest.mark.parametrize("mean", [-1.0, 0.3, 1.0])
def test_no_deviation_means_the_mean(mean, sampling, generator):
    samples = BoundedSampler(BOUNDS, sampling).draw(make(mean, 0.0), 64, generator)
    assert samples.equal(torch.full_like(samples, mean))


@pytest.mark.parametrize("n_samples", [0, 1, 2, 5, 6])
def test_mirrored_samples_lie_opposite(n_samples, generator):
    samples = BoundedSampler(Bounds([-99.0], [99.0])).draw(
        make(1.0, 1.0, horizon=3), n_samples, generator
    )
    assert samples.shape == (1, n_samples, 3, 1)
    n_pairs = n_samples // 2
    n_first = n_samples - n_pairs
    middle = 0.5 * (samples[:, :n_pairs] + samples[:, n_first:])
    assert middle.allclose(torch.ones(()), atol=1e-6)


def test_independent_samples_do_not(generator):
    sampler = BoundedSampler(Bounds([-99.0], [99.0]), use_mirroring=False)
    samples = sampler.draw(make(0.0, 1.0), 1000, generator).flatten()
    assert samples.unique().numel() == 1000
    assert samples.abs().unique().numel() == 1000


@pytest.mark.parametrize("sampling", ["clip", "truncate"])
def test_extras_follow_the_samples_and_are_clipped(sampling, generator):
    first = torch.full((1, 2, 1, 1), 0.25)
    second = torch.full((1, 1, 1, 1), 9.0)
    sampler = BoundedSampler(BOUNDS, sampling)
    drawn = sampler.draw(make(0.0, 0.1), 3, generator, [first, second])
    assert drawn.shape == (1, 6, 1, 1)
    assert drawn.flatten()[3:].tolist() == [0.25, 0.25, 1.0]
    assert (drawn.flatten()[:3].abs() < 0.25 + 1.0).all()


@pytest.mark.parametrize("noise_beta", [0.0, 2.0])
def test_candidates_are_contiguous(noise_beta, generator):
    sampler = BoundedSampler(BOUNDS, noise_beta=noise_beta)
    assert sampler.draw(make(0.0, 1.0, horizon=5), 7, generator).is_contiguous()
