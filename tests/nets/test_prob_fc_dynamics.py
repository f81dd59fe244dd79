import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import ConfigurationError
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


def test_waves_of_the_state_double_their_frequency():
    net = ProbFCDynamics(unbounded(2), unbounded(1), ACTIONS, 1, n_frequencies=2)
    seen = []
    net.mlp.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(4, 3, 2 + 1 + 2)
    net(x)
    s = x[..., :2]
    waves = [s.sin(), s.cos(), (2 * s).sin(), (2 * s).cos()]
    torch.testing.assert_close(seen[0], torch.cat([s, *waves, x[..., 2:]], dim=-1))


def test_context_may_be_hidden():
    net = ProbFCDynamics(unbounded(2), unbounded(3), ACTIONS, 1, sees_context=False)
    x = torch.randn(4, 2 + 3 + 2)
    other = x.clone()
    other[:, 2:5] = 9.0
    for one, two in zip(net(x), net(other), strict=True):
        assert torch.equal(one, two)
    other[:, 0] = 9.0
    assert not torch.equal(net(x).mean, net(other).mean)


def test_negative_numbers_of_frequencies_are_refused():
    with pytest.raises(ConfigurationError, match="n_frequencies"):
        ProbFCDynamics(unbounded(2), unbounded(0), ACTIONS, 1, n_frequencies=-1)
