import pytest
import torch

from layeredrl.predictors.delta_standardizer import DeltaStandardizer


def correlated(scales, correlation, n=20_000, seed=0):
    g = torch.Generator().manual_seed(seed)
    dim = len(scales)
    covariance = torch.full((dim, dim), correlation).fill_diagonal_(1.0)
    factor = torch.linalg.cholesky(covariance)
    noise = torch.randn(n, dim, generator=g, dtype=torch.float64)
    return (noise @ factor.T.double() * torch.tensor(scales)).float()


def fit(data, steps, lr=3e-3, batch=256):
    g = torch.Generator().manual_seed(1)
    standardizer = DeltaStandardizer(data.shape[1])
    adam = torch.optim.Adam(standardizer.parameters(), lr=lr)
    for step in range(steps):
        rows = data[torch.randint(len(data), (batch,), generator=g)]
        standardizer.observe(rows)
        standardizer.set_gradient(rows)
        if step == steps // 2:
            adam.param_groups[0]["lr"] = lr / 10
        adam.step()
    return standardizer


@pytest.mark.parametrize(
    ("scales", "correlation"),
    [
        ([1.0, 1.0], 0.0),
        ([1.0, 1.0, 1.0], 0.7),
        ([1.0, 1e-4], 0.6),
        ([1e3, 1.0, 1e-6], 0.5),
        ([1e-8, 1e-8], 0.5),
        ([5.0], 0.0),
    ],
)
def test_the_standardised_covariance_is_the_identity(scales, correlation):
    data = 100.0 * torch.tensor(scales) + correlated(scales, correlation)
    standardizer = fit(data, 2500)
    standardized = standardizer(data - data.mean(0)).detach().double()
    covariance = standardized.T @ standardized / len(data)
    identity = torch.eye(len(scales), dtype=torch.float64)
    torch.testing.assert_close(covariance, identity, atol=0.06, rtol=0)
    assert torch.equal(standardizer.matrix, standardizer.matrix.T)


def test_starts_as_the_identity_then_in_the_datas_units():
    standardizer = DeltaStandardizer(3)
    delta = torch.randn(5, 3)
    torch.testing.assert_close(standardizer(delta), delta)
    data = correlated([1e-3, 1.0, 50.0], 0.0)
    standardizer.observe(data)
    deviations = standardizer(data - data.mean(0)).std(0, unbiased=False)
    torch.testing.assert_close(deviations, torch.ones(3), rtol=1e-3, atol=0)


def test_a_feature_that_starts_to_change_late_gets_its_unit_then():
    # An object that is first pushed after many episodes.
    data = correlated([1.0, 0.01], 0.0)
    still = data * torch.tensor([1.0, 0.0])
    standardizer = DeltaStandardizer(2)
    standardizer.observe(still)
    assert standardizer.matrix[1, 1].item() == 1.0
    for _ in range(20):
        standardizer.observe(data)
    deviation = standardizer(data - data.mean(0)).std(0, unbiased=False)[1]
    assert deviation.item() == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("scales", [[1.0, 1.0, 1.0], [1e-2, 1.0, 30.0]])
def test_the_gradient_is_that_of_the_loss(scales):
    data = correlated(scales, 0.4, n=200)
    standardizer = DeltaStandardizer(3)
    standardizer.observe(data)
    noise = 0.3 * torch.randn(3, 3, generator=torch.Generator().manual_seed(2))
    standardizer.shape.data += noise
    standardizer.loss(data).backward()
    expected = standardizer.shape.grad.clone()
    standardizer.set_gradient(data)
    torch.testing.assert_close(standardizer.shape.grad, expected, rtol=1e-3, atol=1e-5)


def test_the_loss_by_hand():
    standardizer = DeltaStandardizer(2)
    delta = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 3.0], [0.0, -3.0]])
    # Covariance diag(1/2, 9/2) against the identity.
    assert standardizer.loss(delta).item() == pytest.approx((0.25 + 12.25) / 4)


def test_state_is_saved():
    standardizer = fit(correlated([1.0, 3.0], 0.5), 20)
    loaded = DeltaStandardizer(2)
    loaded.load_state_dict(standardizer.state_dict())
    assert torch.equal(standardizer.matrix, loaded.matrix)
