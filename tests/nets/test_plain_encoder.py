import pytest
import torch

from layeredrl.errors import ShapeError
from layeredrl.nets import PlainEncoder


@pytest.mark.parametrize("dims", [(3, 2), (2, 2)])
def test_other_dimensions_than_stated_are_named(dims):
    encoder = PlainEncoder(lambda obs: (obs[..., :2], obs[..., 2:]), *dims)
    with pytest.raises(ShapeError, match=r"it yields \(2, 3\)"):
        encoder(torch.zeros(4, 5))
