import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.models import RandomDynamics
from tests.toys import ACTIONS, unbounded


def build(z=4, **kwargs):
    return RandomDynamics(unbounded(z), unbounded(0), ACTIONS, **kwargs)


def test_actions_are_directions_of_their_length(generator):
    model = build(gain=2.5)
    state = torch.randn(50, 4, generator=generator)
    action = torch.randn(50, 2, generator=generator)
    change = model.predict(state, torch.zeros(50, 0), action).mean[:, 0, 0] - state
    torch.testing.assert_close(change.norm(dim=-1), 2.5 * action.norm(dim=-1))
    angles = (change @ change.T) / 2.5**2
    torch.testing.assert_close(angles, action @ action.T, atol=1e-4, rtol=1e-4)


def test_draws_have_the_stated_deviation(generator):
    model = build(std=0.2)
    state, action = torch.zeros(3000, 4), torch.ones(3000, 2)
    drawn = model.sample(state, torch.zeros(3000, 0), action, generator)
    torch.testing.assert_close(
        drawn.std((0, 1, 2)), torch.full((4,), 0.2), rtol=0.05, atol=0
    )
    torch.testing.assert_close(
        drawn.mean((0, 1, 2)), model.linear_map.sum(1), rtol=0, atol=0.02
    )


def test_learning_changes_nothing():
    model = build()
    assert not list(model.parameters())
    assert "linear_map" in model.state_dict()


def test_impossible_arguments_are_refused():
    with pytest.raises(ConfigurationError, match="std"):
        build(std=-1.0)
    with pytest.raises(ConfigurationError, match="got 1 and 2"):
        build(z=1)
