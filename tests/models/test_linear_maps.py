import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.models.linear_maps import random_orthonormal_map


@pytest.mark.parametrize(("a", "z"), [(1, 1), (1, 4), (3, 4), (4, 4), (2, 30)])
def test_columns_are_orthonormal(a, z):
    columns = random_orthonormal_map(a, z)
    assert columns.shape == (z, a) and columns.dtype == torch.float32
    torch.testing.assert_close(columns.T @ columns, torch.eye(a), atol=1e-5, rtol=0)


def test_follows_torchs_generator():
    with torch.random.fork_rng():
        maps = []
        for seed in (0, 0, 1):
            torch.manual_seed(seed)
            maps.append(random_orthonormal_map(2, 5))
        assert torch.equal(maps[0], maps[1]) and not torch.equal(maps[0], maps[2])
        signs = {float(random_orthonormal_map(1, 1)) for _ in range(50)}
    assert signs == {-1.0, 1.0}


def test_more_actions_than_states_are_refused():
    with pytest.raises(ConfigurationError, match="got 2 and 3.*sb_start_duration=0"):
        random_orthonormal_map(3, 2)
