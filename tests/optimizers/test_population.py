import pytest

from layeredrl.optimizers.population import count_share


@pytest.mark.parametrize(
    "share, total, count",
    [(0, 10, 0), (1e-9, 10, 1), (0.04, 256, 10), (0.7, 10, 7), (1, 3, 3)],
)
def test_shares_become_counts(share, total, count):
    assert count_share(share, total) == count
