import numpy as np
import pytest
import torch

from layeredrl.errors import SpaceError
from layeredrl.nets import FixedEncoderNet


@pytest.mark.parametrize("kind", [tuple, list, np.array])
def test_columns_are_selected_in_order(kind):
    encoder = FixedEncoderNet((6,), kind([4, 0, 0]), kind([5, 1]))
    obs = torch.arange(12.0).reshape(2, 6)
    state, context = encoder(obs)
    assert state.tolist() == [[4.0, 0.0, 0.0], [10.0, 6.0, 6.0]]
    assert context.tolist() == [[5.0, 1.0], [11.0, 7.0]]
    assert (encoder.latent_state_dim, encoder.context_dim) == (3, 2)


def test_nothing_is_learned_or_saved():
    encoder = FixedEncoderNet((3,), (0,), ())
    assert not list(encoder.parameters()) and not encoder.state_dict()


@pytest.mark.parametrize(
    ("state", "context"), [((6,), ()), ((-1,), ()), ((0,), (9,)), ((), (0,))]
)
def test_impossible_columns_are_named(state, context):
    with pytest.raises(SpaceError, match="6 features, got latent_state_dims="):
        FixedEncoderNet((6,), state, context)
