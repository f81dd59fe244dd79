"""Updates of the sequence actor-critic, in all its variants."""

import numpy as np
import pytest
import torch

from layeredrl.learners import SequenceActorCriticConfig
from layeredrl.nets.policy_dists import GMM, Beta
from tests.learners.sequence_cases import (
    BOX,
    DISCRETE,
    IMAGES,
    SPACES,
    TRAJ_ENCODERS,
    World,
    build,
    filled,
)
from tests.same import is_same


def test_padding_changes_nothing():
    learner = build(BOX, offline_coeff=1.0, entropy_coeff=0.0, online_coeff=0.0)
    batch = filled(learner).sample(learner, 16)
    invalid = batch.validity_mask == 0
    beyond = torch.cat([torch.zeros_like(invalid[:, :1]), invalid], 1)
    assert invalid.any()
    spoiled = batch._replace(
        rew=batch.rew.masked_fill(invalid, 1e6),
        act=batch.act.masked_fill(invalid.unsqueeze(-1), 0.5),
        obs=batch.obs.masked_fill(beyond.unsqueeze(-1), 50.0),
    )
    states = []
    for one in (batch, spoiled):
        copy = build(BOX, offline_coeff=1.0, entropy_coeff=0.0, online_coeff=0.0)
        copy.load_state_dict(learner.state_dict())
        copy.update(one)
        states.append(copy.networks.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], msg=name)


def test_popart_follows_valid_targets_only():
    learner = build(gammas=(0.0,), gamma=0.0)  # targets are rewards
    batch = filled(learner).sample(learner, 32)
    learner.update(batch)
    valid = batch.validity_mask.bool()
    popart = learner.networks.values.popart
    beta = popart.beta / (1 - (1 - popart.beta) ** 2)
    torch.testing.assert_close(popart.mu.squeeze(), beta * batch.rew[valid].mean())


def reached_by(learner, loss):
    """Which parts of the networks the gradient of a loss reaches."""
    networks = learner.networks
    networks.zero_grad()
    loss.backward(retain_graph=True)
    parts = {
        "encoder": networks.encoder,
        "actor": networks.actor,
        "critics": networks.values.online,
        "targets": torch.nn.ModuleList([networks.target_actor, networks.values.target]),
    }
    return {
        name
        for name, part in parts.items()
        if any(p.grad is not None and p.grad.any() for p in part.parameters())
    }


def test_both_losses_reach_the_encoder_and_the_actors_no_critic():
    learner = build(critic_coeff=2.0)
    loss, metrics = learner._loss(filled(learner).sample(learner))
    assert reached_by(learner, metrics["critic_loss"]) == {"encoder", "critics"}
    actor_loss = loss - 2.0 * metrics["critic_loss"]
    assert reached_by(learner, actor_loss) == {"encoder", "actor"}


VARIANTS = {
    "scalar": dict(),
    "no popart": dict(use_popart=False),
    "all critics": dict(n_target_critics=4),
    "two-hot": dict(critic="two_hot"),
    "one gamma": dict(gammas=(0.95,), gamma=0.95),
    "binary cloning": dict(offline_coeff=1.0, online_coeff=0.0),
    "exp cloning": dict(offline_coeff=0.5, advantage_filter="exp"),
    "beta": dict(policy_dist=Beta),
    "gmm": dict(
        policy_dist=GMM, offline_coeff=1.0, online_coeff=0.0, entropy_coeff=0.0
    ),
    "any gradient": dict(max_grad_norm=None),
    "transformer": dict(traj_encoder=TRAJ_ENCODERS["transformer"]),
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_learns_something_finite(variant, space):
    learner = build(space, **VARIANTS[variant])
    world = filled(learner)
    before = learner.state_dict()
    for _ in range(3):
        metrics = learner.update(world.sample(learner))
        assert not learner.networks.training
        for name, value in metrics.items():
            assert value.ndim == 0 and not value.requires_grad, name
            assert torch.isfinite(value), name
    after = learner.state_dict()
    for part in ("encoder", "actor", "target_actor", "values.online", "values.target"):
        own = [
            {k: v for k, v in state["networks"].items() if k.startswith(f"{part}.")}
            for state in (before, after)
        ]
        assert own[0] and not is_same(*own), part
    assert all(torch.isfinite(x).all() for x in after["networks"].values())


def test_cloning_takes_over_what_was_rewarded():
    """A bandit's stored actions: the policy clones the good ones, without trying any."""
    learner = build(
        offline_coeff=1.0,
        online_coeff=0.0,
        entropy_coeff=0.0,
        gammas=(0.0,),
        gamma=0.0,
        learning_rate=3e-3,
        exploration=1.0,
    )
    world = filled(learner, 60)
    good = world.buffer.act[:, 2] > 0
    world.buffer._meta.rew = np.where(good, 1.0, -1.0)
    for _ in range(150):
        learner.update(world.sample(learner, 16))
    decided = [learner.act(world.situation(np.arange(3)), False) for _ in range(5)]
    assert (torch.cat(decided).argmax(-1) == 2).all()


@torch.no_grad()
def test_pictures_and_the_vector_beside_them_are_seen():
    tstep = SequenceActorCriticConfig().tstep_encoder
    learner = build(BOX, obs_shape=IMAGES, tstep_encoder=tstep)
    world = World(BOX, IMAGES)
    situation = world.situation(np.arange(3))
    outcomes = []
    for changed in (None, "vector", "camera"):
        obs = dict(situation.obs)
        if changed is not None:
            obs[changed] = obs[changed] // 2 + 1
        learner.reset(np.arange(3))
        outcomes.append(learner.act(situation._replace(obs=obs), explore=False))
    assert not torch.allclose(outcomes[0], outcomes[1], atol=1e-6)
    assert not torch.allclose(outcomes[0], outcomes[2], atol=1e-6)


def test_pictures_alone_will_do():
    tstep = SequenceActorCriticConfig().tstep_encoder
    shape = {"vector": (0,), "": (36, 36, 3)}
    learner = build(obs_shape=shape, tstep_encoder=tstep)
    World(DISCRETE, shape).drive(learner, 3)
