import pytest
import torch
from torch import nn

from layeredrl.errors import ShapeError
from layeredrl.nets import PlainFunction


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, state, context, action):
        return state @ self.weight + action.sum(-1)


def test_calls_what_it_wraps():
    state, action = torch.randn(2, 5, 3), torch.randn(2, 5, 1)
    plain = PlainFunction(lambda s, c, a: s[..., 0] * a[..., 0])
    found = plain(state, torch.zeros(2, 5, 0), action)
    torch.testing.assert_close(found, state[..., 0] * action[..., 0])
    assert float(plain.output_scale) == 1.0


def test_registers_modules():
    assert [name for name, _ in PlainFunction(Linear()).named_parameters()] == [
        "function.weight"
    ]


def test_one_number_per_row_is_demanded():
    # (5, 1) against (5,) would silently become (5, 5) in a loss.
    plain = PlainFunction(lambda s, c, a: s[..., :1])
    with pytest.raises(ShapeError, match=r"one number per row, \(5,\), got \(5, 1\)"):
        plain(torch.zeros(5, 3), torch.zeros(5, 0), torch.zeros(5, 1))
