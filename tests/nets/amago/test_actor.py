"""The policy head."""

import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.nets.actor_critic import Actor
from layeredrl.nets.policy_dists import GMM, Beta, Discrete, Multibinary, TanhGaussian

GAMMAS = torch.tensor([0.5, 0.9, 0.999])


@pytest.mark.parametrize("lead", [(2, 5), (5,), (2, 3, 4)])
def test_last_axis_is_gamma_then_parameters(lead):
    actor = Actor(6, 2, False, GAMMAS, d_hidden=8)
    state = torch.randn(*lead, 6)
    vec = actor.base(state)
    dist = actor(state)
    for g in range(3):
        mu = vec[..., 4 * g : 4 * g + 2]
        torch.testing.assert_close(dist.mean[..., g, :], torch.tanh(mu))
    assert dist.sample().shape == (*lead, 3, 2)


def test_attributes():
    actor = Actor(6, 4, True, GAMMAS)
    assert isinstance(actor.policy_dist, Discrete)
    assert actor.num_gammas == 3 and actor.action_dim == 4 and actor.discrete
    assert actor.actions_differentiable
    assert not Actor(
        6, 4, False, GAMMAS, continuous_dist_type=GMM
    ).actions_differentiable
    assert actor(torch.randn(2, 5, 6)).sample().shape == (2, 5, 3, 1)


@pytest.mark.parametrize(("discrete", "n_outputs"), [(True, 12), (False, 24)])
def test_default_state_dict(discrete, n_outputs):
    state = Actor(256, 4, discrete, GAMMAS).state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == {
        "base.in_layer.weight": (256, 256),
        "base.in_layer.bias": (256,),
        "base.layers.0.weight": (256, 256),
        "base.layers.0.bias": (256,),
        "base.out_layer.weight": (n_outputs, 256),
        "base.out_layer.bias": (n_outputs,),
    }


@pytest.mark.parametrize("kind", [TanhGaussian, GMM, Beta, Multibinary])
def test_every_continuous_kind(kind):
    actor = Actor(6, 2, False, GAMMAS, d_hidden=8, continuous_dist_type=kind)
    log = {}
    dist = actor(torch.randn(2, 5, 6), log_dict=log)
    assert dist.sample().shape == (2, 5, 3, 2)
    assert bool(log) == (kind is not Multibinary)
    log_prob = dist.log_prob(dist.sample())
    assert log_prob.shape == (2, 5, 3, 1 if kind is GMM else 2)
    log_prob.sum().backward()
    assert all(p.grad.isfinite().all() for p in actor.parameters())


def test_dropout_and_activation():
    actor, state = Actor(6, 2, False, GAMMAS, dropout_p=0.5), torch.randn(2, 5, 6)
    assert torch.equal(actor.eval()(state).mean, actor(state).mean)
    assert not torch.equal(actor.train()(state).mean, actor(state).mean)
    adaptive = Actor(6, 2, False, GAMMAS, activation="adaptive")
    assert "base.activation.numerator" in adaptive.state_dict()


def test_distribution_must_fit_the_actions():
    with pytest.raises(ConfigurationError, match="Discrete is for discrete actions"):
        Actor(6, 2, False, GAMMAS, continuous_dist_type=Discrete)
    with pytest.raises(ConfigurationError, match="no subclass of PolicyOutput"):
        Actor(6, 2, False, GAMMAS, continuous_dist_type=torch.distributions.Normal)
    with pytest.raises(ConfigurationError, match="activation"):
        Actor(6, 2, False, GAMMAS, activation="nope")
    with pytest.raises(ConfigurationError, match="n_layers"):
        Actor(6, 2, False, GAMMAS, n_layers=0)
