"""On-policy learners of Tianshou, against plain loops, and their bounded distribution."""

from dataclasses import replace

import pytest
import torch
from torch.distributions import (
    AffineTransform,
    Beta,
    Independent,
    TransformedDistribution,
    kl_divergence,
)

from layeredrl.learners.tianshou.networks import BetaActor
from layeredrl.learners.tianshou.policies import UnitBeta
from tests.learners.tianshou_cases import (
    GAMMA,
    ON_POLICY,
    build,
    spec,
    spied,
    stretches,
)
from tests.same import assert_same


def by_loop(batch, value, gae_lambda):
    """Advantages and values of all valid steps, stretch after stretch."""
    advantages, values = [], []
    for row in range(len(batch.rew)):
        following, found = 0.0, []
        for t in reversed(range(int(batch.traj_len[row]))):
            discount = GAMMA ** int(batch.n_env_steps[row, t])
            if batch.terminated[row, t]:
                discount = 0.0
            here, then = value(batch.obs[row, t]), value(batch.obs[row, t + 1])
            delta = float(batch.rew[row, t]) + discount * then - here
            following = delta + discount * gae_lambda * following
            found.append((following, here))
        advantages += [a for a, _ in reversed(found)]
        values += [v for _, v in reversed(found)]
    return torch.tensor(advantages), torch.tensor(values)


@pytest.mark.parametrize("name", ON_POLICY)
@pytest.mark.parametrize("gae_lambda", [0.0, 0.9, 1.0])
def test_advantages_and_returns(name, gae_lambda):
    config, space = ON_POLICY[name]
    learner = replace(config, gae_lambda=gae_lambda).build(spec(space))
    batch = stretches(space, n=20, n_steps=5)

    @torch.no_grad()
    def value(obs):
        return float(learner.algorithm.critic(obs[None]))

    advantages, values = by_loop(batch, value, gae_lambda)
    seen = spied(learner)
    learner.update(batch)
    torch.testing.assert_close(seen[0]["adv"], advantages, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen[0]["v_s"], values, rtol=1e-4, atol=1e-5)
    expected = advantages + values
    torch.testing.assert_close(seen[0]["returns"], expected, rtol=1e-4, atol=1e-5)
    valid = batch.validity_mask.bool()
    assert_same(seen[0]["obs"], batch.obs[:, :-1][valid])


def test_steps_that_are_not_valid_change_nothing():
    batch = stretches(n=12, n_steps=4)
    beyond = ~batch.validity_mask.bool()
    assert beyond.any()
    spoiled = batch._replace(
        rew=batch.rew.masked_fill(beyond, torch.nan),
        act=batch.act.masked_fill(beyond[..., None], torch.nan),
    )
    found = []
    for told in (batch, spoiled):
        learner = build("ppo")
        learner.update(told)
        found.append(learner.state_dict())
    assert_same(*found)


@pytest.mark.parametrize("name", ["ppo", "ppo-choice"])
def test_probabilities_of_old_are_those_of_the_policy_that_acted(name):
    config, space = ON_POLICY[name]
    learner = config.build(spec(space))
    batch = stretches(space, n=10, n_steps=1)
    seen = spied(learner)
    with torch.no_grad():
        said, _ = learner.algorithm.policy.actor(batch.obs[:, 0])
    learner.update(batch)
    if name == "ppo-choice":
        chosen = batch.act[:, 0].argmax(-1)
        expected = said.log_softmax(-1)[torch.arange(10), chosen]
    else:
        low, high = (torch.from_numpy(x) for x in (space.low, space.high))
        share = (batch.act[:, 0] - low) / (high - low)
        expected = Beta(*said).log_prob(share.clamp(1e-6, 1 - 1e-6)).sum(-1)
    torch.testing.assert_close(seen[0]["logp_old"], expected)


def test_passes_and_minibatches_are_as_many_as_asked_for():
    learner = build("ppo")  # two passes, minibatches of eight
    steps, original = [], learner.algorithm.policy.actor.forward
    learner.algorithm.policy.actor.forward = lambda obs, *args, **kwargs: (
        steps.append(len(obs)) or original(obs, *args, **kwargs)
    )
    learner.update(stretches(n=24, n_steps=1))
    assert steps == [24] + 2 * [8, 8, 8]


@pytest.mark.parametrize("name", ON_POLICY)
def test_a_single_decision_is_something_to_learn_from(name):
    learner = build(name)
    metrics = learner.update(stretches(ON_POLICY[name][1], n=1, n_steps=1))
    weights = learner.algorithm.policy.state_dict().values()
    assert all(bool(x.isfinite().all()) for x in (*weights, *metrics.values()))


# The distribution of bounded actions


@pytest.fixture
def concentrations(generator):
    return [1.0 + 4.0 * torch.rand(5, 2, generator=generator) for _ in range(2)]


def reference(one, other):
    """The same by torch's means."""
    stretched = TransformedDistribution(Beta(one, other), AffineTransform(-1.0, 2.0))
    return Independent(stretched, 1)


def test_log_densities_are_those_of_a_stretched_beta_up_to_a_constant(concentrations):
    known, own = reference(*concentrations), UnitBeta(*concentrations)
    actions = torch.linspace(-0.99, 0.99, 7)[:, None, None].expand(7, 5, 2)
    difference = own.log_prob(actions) - known.log_prob(actions)
    assert own.log_prob(actions).shape == (7, 5)
    torch.testing.assert_close(
        difference, torch.full((7, 5), float(2 * torch.tensor(2.0).log()))
    )


def test_draws_are_those_of_a_stretched_beta(concentrations):
    known, own = reference(*concentrations), UnitBeta(*concentrations)
    draws = []
    for distribution in (known, own):
        for name in ("sample", "rsample"):
            with torch.random.fork_rng():
                torch.manual_seed(3)
                draws.append(getattr(distribution, name)((4,)))
    for other in draws[1:]:
        torch.testing.assert_close(draws[0], other)
    assert draws[0].shape == (4, 5, 2)


def test_the_mode_is_the_likeliest_action(concentrations):
    own = UnitBeta(*concentrations)
    best = own.log_prob(own.mode)
    for step in (-0.02, 0.02):
        moved = (own.mode + step).clamp(-1.0, 1.0)
        assert bool((own.log_prob(moved) < best).all())


def test_bounds_have_finite_densities():
    own = UnitBeta(torch.tensor([[3.0]]), torch.tensor([[2.0]]))
    for bound in (-1.0, 1.0):
        assert bool(own.log_prob(torch.tensor([[bound]])).isfinite().all())


def test_draws_can_be_differentiated(concentrations):
    one, other = (x.requires_grad_() for x in concentrations)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        UnitBeta(one, other).rsample().sum().backward()
    assert bool((one.grad > 0).all()) and bool((other.grad < 0).all())


@pytest.mark.parametrize("bias", [-100.0, 0.0, 100.0])
def test_whatever_the_network_says_there_is_a_mode(bias):
    actor = BetaActor(3, 2, (4,))
    with torch.no_grad():
        for parameter in actor.parameters():
            parameter.zero_()
        list(actor.parameters())[-1].fill_(bias)
    distribution = UnitBeta(*actor(torch.zeros(1, 3))[0])
    torch.testing.assert_close(distribution.mode, torch.zeros(1, 2), atol=1e-3, rtol=0)
    assert bool(distribution.entropy().isfinite().all())


def test_less_concentrated_means_more_entropy(concentrations):
    one, other = concentrations
    wide, narrow = UnitBeta(one, other), UnitBeta(10 * one, 10 * other)
    assert bool((wide.entropy() > narrow.entropy()).all())
    assert bool((kl_divergence(narrow.base_dist, wide.base_dist) > 0).all())
