import pytest
import torch
from gymnasium import spaces

from layeredrl.nets import ProbFCDynamics
from tests.toys import ACTIONS, unbounded


@pytest.mark.parametrize("context_dim", [0, 2])
@pytest.mark.parametrize(("actions", "n"), [(ACTIONS, 2), (spaces.Discrete(5), 5)])
@pytest.mark.parametrize("lead", [(), (4,), (4, 3)])
def test_shapes(context_dim, actions, n, lead):
    net = ProbFCDynamics(unbounded(3), unbounded(context_dim), actions, 4, (8, 8))
    out = net(torch.randn(*lead, 3 + context_dim + n))
    assert out.mean.shape == out.raw_std.shape == (*lead, 4, 3)
    assert out.logits.shape == (*lead, 4)
    assert out.term_logit.shape == lead


def test_every_output_has_weights_of_its_own():
    net = ProbFCDynamics(unbounded(3), unbounded(0), ACTIONS, 4, ())
    outputs = torch.cat([x.reshape(6, -1) for x in net(torch.randn(6, 5))], dim=-1)
    assert outputs.shape[1] == 4 * 3 + 4 + 4 * 3 + 1 == net.mlp[-1].out_features
    assert len(set(outputs[0].tolist())) == outputs.shape[1]
