"""Targets and losses of the sequence actor-critic, by hand where that is possible."""

import numpy as np
import pytest
import torch
from tianshou.data import Batch

from layeredrl.learners.sequence.actor_critic import _steps
from layeredrl.learners.sequence.losses import Decisions, online_loss, td_targets
from layeredrl.learners.sequence.values import follow
from tests.learners.sequence_cases import (
    BOX,
    DISCRETE,
    MAX_SEQ_LEN,
    SPACES,
    World,
    build,
    filled,
)

GAMMAS = (0.5, 0.9)


def constant_critics(learner, numbers):
    """Make each critic's copy that bootstraps say one number of any state."""
    for name, weight in learner.networks.values.target.named_parameters():
        weight.data.zero_()
        if name == "net.output_layer.bias":
            weight.data.copy_(torch.tensor(numbers).view(1, 1, -1, 1).expand_as(weight))


def targets(learner, decisions, members=(0, 1), trace=0.0):
    shape = decisions.reward.shape
    features = torch.zeros(*shape, learner.networks.encoder.emb_dim)
    policy = learner.networks.target_actor(features)
    return td_targets(
        learner.networks.values,
        features,
        policy,
        decisions,
        learner._gammas,
        torch.tensor(members),
        trace,
    )


def decisions(reward, terminated, n_env_steps, is_valid=None):
    rows = [torch.tensor(x, dtype=torch.float32) for x in (reward, terminated)]
    valid = torch.ones_like(rows[0]) if is_valid is None else torch.tensor(is_valid)
    action = torch.nn.functional.one_hot(torch.zeros_like(rows[0]).long(), 3).float()
    return Decisions(action, *rows, torch.tensor(n_env_steps).float(), valid.float())


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_targets_by_hand(space):
    """Discounted per environment step, for each gamma; nothing after a termination."""
    learner = build(
        space,
        gammas=GAMMAS,
        gamma=0.9,
        n_critics=3,
        n_target_critics=2,
        use_popart=False,
    )
    constant_critics(learner, [5.0, 2.0, 1.0])
    some = decisions([[1.0, 3.0, -1.0]], [[0, 1, 0]], [[1, 2, 3]])
    expected = [[1 + g * 2, 3.0, -1 + g**3 * 2] for g in GAMMAS]
    target = targets(learner, some)
    assert target.shape == (1, 3, 1, 2, 1)
    torch.testing.assert_close(target[0, :, 0, :, 0].T, torch.tensor(expected))
    worst = targets(learner, some, members=(0, 2))[0, 0, 0, :, 0]
    torch.testing.assert_close(worst, torch.tensor([1 + g for g in GAMMAS]))


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_lambda_returns_by_hand(space):
    """They look along what was done, to a termination or the last step that counts."""
    learner = build(
        space,
        gammas=(0.5,),
        gamma=0.5,
        n_critics=1,
        n_target_critics=1,
        use_popart=False,
    )
    constant_critics(learner, [4.0])
    some = decisions(
        [[1.0, 3.0, -1.0], [1.0, 2.0, float("inf")]],
        [[0, 1, 0], [0, 0, 0]],
        [[1, 1, 1], [2, 1, 1]],
        [[1, 1, 1], [1, 1, 0]],
    )
    target = targets(learner, some, (0,), trace=0.25)[:, :, 0, 0, 0]
    last = 2.0 + 0.5 * 4
    first = 1 + 0.5 * (0.75 * 4 + 0.25 * 3.0)
    torch.testing.assert_close(target[0], torch.tensor([first, 3.0, 1.0]))
    # Two environment steps were taken by the first decision.
    first = 1 + 0.25 * (0.75 * 4 + 0.25 * last)
    torch.testing.assert_close(target[1, :2], torch.tensor([first, last]))
    whole = targets(learner, some, (0,), trace=1.0)[0, 0, 0, 0, 0]
    torch.testing.assert_close(whole, torch.tensor(1 + 0.5 * 3.0))


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_two_hot_targets_are_in_the_same_units(space):
    learner = build(space, gammas=GAMMAS, gamma=0.9, critic="two_hot", n_bins=200)
    target = learner.networks.values.target
    chosen = 120
    for name, weight in target.named_parameters():
        weight.data.zero_()
        if name == "net.output_layer.bias":
            weight.data[..., chosen] = 20.0
    value = torch.expm1(target.bin_vals[chosen])  # all of the distribution, nearly
    found = targets(learner, decisions([[1.0]], [[0]], [[1]]), (0, 1, 2, 3))
    expected = 1 + torch.tensor(GAMMAS) * value
    torch.testing.assert_close(found.flatten(), expected, rtol=5e-3, atol=1e-2)


def test_what_follows_truncations_and_unfinished_ends_is_bootstrapped_from():
    """The window's last observation is the true successor."""
    learner = build(max_seq_len=30)
    world = World()
    ends = {"terminated": 3, "truncated": 4, "unfinished": 2}
    finals = {}
    for (kind, length), ring in zip(ends.items(), range(3), strict=True):
        for step in range(length):
            is_last = step == length - 1
            obs, next_obs = world.obs, world.observations()
            one = np.ones(1, bool)
            world.buffer.add(
                _batch(
                    obs[ring],
                    next_obs[ring],
                    step,
                    one & is_last & (kind == "terminated"),
                    one & is_last & (kind == "truncated"),
                ),
                buffer_ids=np.array([ring]),
            )
            world.obs = next_obs
        finals[length] = kind, torch.from_numpy(world.obs[ring].copy())
    batch = learner.sample(world.buffer, 40)
    seen = set()
    for row, length in enumerate(batch.traj_len.tolist()):
        kind, final = finals[length]
        seen.add(kind)
        torch.testing.assert_close(batch.obs[row, length], final)
        ended = batch.terminated[row, :length].tolist()
        assert ended == [False] * (length - 1) + [kind == "terminated"]
    assert seen == set(ends)


def _batch(obs, next_obs, step, terminated, truncated):
    return Batch(
        obs=obs[None],
        act=np.eye(3, dtype=np.float32)[:1],
        rew=np.ones(1, np.float32),
        terminated=terminated,
        truncated=truncated,
        obs_next=next_obs[None],
        info=Batch(time_idx=np.array([step])),
    )


def test_all_steps_of_a_sequence_are_learned_from():
    learner = build()
    batch = filled(learner, p_end=0.05).sample(learner, 64)
    window = batch.window
    assert batch.rew.shape[1] == window.mask.shape[1] - 1 <= MAX_SEQ_LEN - 1
    assert not window.first.any()
    torch.testing.assert_close(batch.traj_len, window.mask.sum(1) - 1)
    steps = _steps(batch)
    torch.testing.assert_close(steps.is_valid, window.mask)
    torch.testing.assert_close(steps.obs, window.obs)
    valid = batch.validity_mask.bool()
    torch.testing.assert_close(batch.act[valid], window.prev_actions[:, 1:][valid])
    torch.testing.assert_close(batch.rew[valid], window.prev_rewards[:, 1:][valid])


def test_the_encoder_does_not_learn_to_please_critics():
    """What critics see in the actor's loss is a constant."""
    learner = build(BOX)
    state = torch.randn(2, 3, learner.networks.encoder.emb_dim, requires_grad=True)
    policy = learner.networks.actor(state.detach())
    loss = online_loss(learner.networks.values, state, policy).sum()
    loss.backward()
    assert state.grad is None
    assert any(p.grad is not None for p in learner.networks.actor.parameters())
    assert all(p.requires_grad for p in learner.networks.values.online.parameters())


@pytest.mark.parametrize("critic", ["scalar", "two_hot"])
@torch.no_grad()
def test_a_discrete_policy_is_worth_the_mean_of_its_actions(critic):
    learner = build(DISCRETE, critic=critic, gammas=GAMMAS, gamma=0.9)
    values = learner.networks.values
    state = torch.randn(2, 5, learner.networks.encoder.emb_dim)
    policy = learner.networks.actor(state)
    found = values.of_policy(values.online, state, policy)
    expected = 0.0
    for index in range(3):
        action = torch.zeros(1, 2, 5, 2, 3)
        action[..., index] = 1.0
        weight = policy.probs[..., index][:, :, None, :, None]
        expected += weight * values.of_actions(values.online, state, action)[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_target_networks_follow():
    learner = build(tau=0.25)
    online, target = learner.networks.actor, learner.networks.target_actor
    for weight in online.parameters():
        weight.add_(1.0)
    before = [p.clone() for p in target.parameters()]
    follow(target, online, 0.25)
    for old, new in zip(before, target.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.25)
