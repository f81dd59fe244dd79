import math

import pytest
import torch

from layeredrl.optimizers import colored_noise


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("horizon", [64, 63])
def test_power_falls_with_the_exponent(beta, horizon, generator):
    noise = colored_noise((4000, horizon, 1), beta, generator)[..., 0]
    power = torch.fft.rfft(noise).abs().square().mean(0)[1:]
    frequency = torch.fft.rfftfreq(horizon)[1:]
    if horizon % 2 == 0:
        power, frequency = power[:-1], frequency[:-1]
    x = frequency.log() - frequency.log().mean()
    slope = (x * power.log()).sum() / x.square().sum()
    assert abs(slope + beta) < 0.03


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5, 8.0])
@pytest.mark.parametrize("horizon", [1, 2, 3, 15])
def test_each_step_has_mean_zero_and_unit_variance(beta, horizon, generator):
    n_samples = 20_000
    noise = colored_noise((n_samples, horizon, 2), beta, generator)
    assert noise.shape == (n_samples, horizon, 2)
    assert noise.mean(0).abs().max() < 5 / math.sqrt(n_samples)
    assert (noise.var(0) - 1.0).abs().max() < 5 * math.sqrt(2 / n_samples)


def test_leading_axes_and_features_are_independent(generator):
    noise = colored_noise((2, 20_000, 8, 2), 2.0, generator)
    series = noise.permute(0, 3, 1, 2).reshape(4, -1)
    correlation = torch.corrcoef(series) - torch.eye(4)
    assert correlation.abs().max() < 0.02


def test_neighbouring_steps_are_alike_where_noise_is_red(generator):
    def correlation(beta):
        noise = colored_noise((20_000, 16, 1), beta, generator)
        return (noise[:, 7] * noise[:, 8]).mean().item()

    assert abs(correlation(0.0)) < 0.03
    assert correlation(1.0) > 0.3
    assert correlation(2.0) > 0.7
    assert correlation(2.0) > correlation(1.0)


def test_two_configurations_do_not_share_a_cache(generator):
    shape = (5000, 12, 1)
    first = colored_noise(shape, 2.0, torch.Generator().manual_seed(0))
    for beta, horizon in ((1.0, 12), (2.0, 11), (0.0, 12)):
        colored_noise((5, horizon, 1), beta, generator)
    again = colored_noise(shape, 2.0, torch.Generator().manual_seed(0))
    assert first.equal(again)


@pytest.mark.parametrize("beta", [0.0, 2.0])
def test_only_the_given_generator_is_used(beta):
    state = torch.get_rng_state()
    colored_noise((3, 5, 2), beta, torch.Generator().manual_seed(0))
    assert torch.get_rng_state().equal(state)


def test_autocast_leaves_it_alone():
    plain = colored_noise((3, 5, 2), 2.0, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = colored_noise((3, 5, 2), 2.0, torch.Generator().manual_seed(0))
    assert cast.dtype == torch.float32
    assert cast.equal(plain)
