import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.nets.latent_head import LatentHead

VECTOR, EMBEDDING = torch.arange(12.0).view(2, 2, 3), torch.randn(2, 2, 5)


def columns(*numbers):
    return torch.tensor(numbers, dtype=torch.int64)


def test_columns_come_first_as_they_are():
    head = LatentHead(columns(2, 0), 5, 4, "none")
    out = head(VECTOR, EMBEDDING)
    assert out.shape == (2, 2, 6) and head.out_dim == 6
    assert torch.equal(out[..., :2], VECTOR[..., [2, 0]])
    assert not torch.equal(out[..., 2:], head(VECTOR, EMBEDDING + 1)[..., 2:])


def test_either_block_may_be_empty():
    head = LatentHead(columns(1), 5, 0, "layer")
    assert not list(head.parameters())
    assert torch.equal(head(VECTOR, EMBEDDING), VECTOR[..., 1:2])
    assert LatentHead(columns(), 5, 3, "none")(VECTOR, EMBEDDING).shape == (2, 2, 3)
    nothing = LatentHead(columns(), 5, 0, "none")
    assert nothing(VECTOR, EMBEDDING).shape == (2, 2, 0) and nothing.out_dim == 0


def test_only_what_is_learned_is_normalised():
    out = LatentHead(columns(0), 5, 4, "layer")(VECTOR, 100 * EMBEDDING)
    assert torch.equal(out[..., 0], VECTOR[..., 0])
    torch.testing.assert_close(
        out[..., 1:].std(-1, unbiased=False), torch.ones(2, 2), atol=1e-3, rtol=0
    )


def test_unknown_normalisations_are_refused():
    with pytest.raises(ConfigurationError, match="sphere"):
        LatentHead(columns(), 5, 4, "sphere")
