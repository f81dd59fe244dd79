import copy

import numpy as np
import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.utils.normalization import RunningNormalizer


def batches(seed=0, dim=3, sizes=(5, 1, 64, 17)):
    rng = np.random.default_rng(seed)
    scale, offset = [1.0, 100.0, 0.01], [0.0, 1000.0, -3.0]
    return [
        torch.tensor(offset + scale * rng.normal(size=(n, dim)), dtype=torch.float32)
        for n in sizes
    ]


@pytest.mark.parametrize("center", [True, False])
def test_statistics_are_those_of_all_data_together(center):
    normalizer = RunningNormalizer(3, center=center)
    data = batches()
    for batch in data:
        normalizer.update(batch)
    together = torch.cat(data).double().numpy()
    if center:
        mean, std = together.mean(0), together.std(0)
    else:
        mean, std = np.zeros(3), np.sqrt((together**2).mean(0))
    np.testing.assert_allclose(normalizer.mean, mean, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(normalizer.std, std, rtol=1e-3)
    assert int(normalizer.count) == len(together)


def test_normalised_data_have_unit_scale_and_come_back():
    normalizer = RunningNormalizer(3)
    data = torch.cat(batches())
    normalizer.update(data)
    normalized = normalizer.normalize(data)
    torch.testing.assert_close(normalized.mean(0), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(
        normalized.std(0, unbiased=False), torch.ones(3), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(normalizer.denormalize(normalized), data)


@pytest.mark.parametrize("center", [True, False])
def test_is_the_identity_before_data(center):
    x = torch.randn(4, 3)
    normalizer = RunningNormalizer(3, center=center)
    normalizer.update(torch.empty(0, 3))
    torch.testing.assert_close(normalizer.normalize(x), x, rtol=0, atol=0)
    torch.testing.assert_close(normalizer.denormalize(x), x, rtol=0, atol=0)


def test_leading_axes_count_as_samples():
    x = torch.randn(4, 5, 3)
    one, two = RunningNormalizer(3), RunningNormalizer(3)
    one.update(x)
    two.update(x.flatten(0, 1))
    torch.testing.assert_close(one.std, two.std, rtol=0, atol=0)
    one.update(torch.ones(3))
    assert int(one.count) == 21


def test_no_features_are_legal():
    normalizer = RunningNormalizer(0)
    normalizer.update(torch.empty(5, 0))
    assert normalizer.normalize(torch.empty(5, 0)).shape == (5, 0)


def test_constant_features_do_not_explode():
    normalizer = RunningNormalizer(1, smallest_std=0.5)
    normalizer.update(torch.full((10, 1), 3.0))
    assert float(normalizer.std) == 0.5
    assert float(normalizer.normalize(torch.tensor([4.0]))) == 2.0


def test_forgets_exponentially_beyond_the_horizon():
    normalizer = RunningNormalizer(1, horizon=10)
    for _ in range(5):
        normalizer.update(torch.zeros(10, 1))
    for n in range(1, 4):
        normalizer.update(torch.ones(10, 1))
        assert float(normalizer.mean) == pytest.approx(1 - 0.5**n)


def test_one_sample_from_a_saturated_memory_shifts_little():
    normalizer = RunningNormalizer(1, horizon=99)
    normalizer.update(torch.zeros(1000, 1))
    normalizer.update(torch.ones(1, 1))
    assert float(normalizer.mean) == pytest.approx(0.01)


def test_state_is_saved_and_continues():
    normalizer = RunningNormalizer(3, horizon=20)
    data = batches()
    normalizer.update(data[0])
    loaded = RunningNormalizer(3, horizon=20)
    loaded.load_state_dict(copy.deepcopy(normalizer.state_dict()))
    for batch in data[1:]:
        normalizer.update(batch)
        loaded.update(batch)
    torch.testing.assert_close(normalizer.mean, loaded.mean, rtol=0, atol=0)
    torch.testing.assert_close(normalizer.std, loaded.std, rtol=0, atol=0)


def test_statistics_carry_no_gradient():
    x = torch.randn(4, 3, requires_grad=True)
    normalizer = RunningNormalizer(3)
    normalizer.update(x)
    assert not normalizer.mean.requires_grad
    normalizer.normalize(x).sum().backward()
    torch.testing.assert_close(x.grad, (1 / normalizer.std).expand(4, 3))


@pytest.mark.parametrize("wrong", [{"horizon": 0}, {"smallest_std": 0.0}])
def test_impossible_numbers_are_refused(wrong):
    with pytest.raises(ConfigurationError, match="must be positive"):
        RunningNormalizer(2, **wrong)
