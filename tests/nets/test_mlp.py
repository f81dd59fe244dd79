import pytest
import torch
from torch import nn

from layeredrl.errors import ConfigurationError
from layeredrl.nets import MLP, MemberLinear


def test_layers_alternate_and_the_last_is_linear():
    mlp = list(MLP(3, (8, 5), 2, nn.Tanh))
    kinds = [type(layer) for layer in mlp]
    assert kinds == [MemberLinear, nn.Tanh, MemberLinear, nn.Tanh, MemberLinear]
    assert [layer.out_features for layer in mlp[::2]] == [8, 5, 2]


def test_without_hidden_layers_it_is_linear():
    mlp = MLP(3, (), 2)
    x = torch.randn(4, 7, 3)
    torch.testing.assert_close(mlp(x), x @ mlp[0].weight.T + mlp[0].bias)


def test_stacked_weights_are_a_batched_product():
    layers = [nn.Linear(3, 2) for _ in range(4)]
    stacked = MemberLinear(3, 2)
    stacked.weight = nn.Parameter(torch.stack([layer.weight.data for layer in layers]))
    stacked.bias = nn.Parameter(torch.stack([layer.bias.data for layer in layers]))
    x = torch.randn(4, 6, 3)
    expected = torch.stack([layer(rows) for layer, rows in zip(layers, x, strict=True)])
    torch.testing.assert_close(stacked(x), expected)


@pytest.mark.parametrize("sizes", [(0, (4,), 1), (3, (0,), 1), (3, (4,), 0)])
def test_empty_layers_are_refused(sizes):
    with pytest.raises(ConfigurationError, match="positive"):
        MLP(*sizes)
