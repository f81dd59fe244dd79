"""What Tianshou's off-policy algorithms are told to aim at, against plain loops."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tianshou.data import Batch

from layeredrl.learners import DQNConfig
from layeredrl.utils.buffers import TransitionBuffer
from tests.learners.tianshou_cases import (
    CHOICE,
    DISCRETE,
    GAMMA,
    OBS_DIM,
    OFF_POLICY,
    SMALL,
    constant,
    spec,
    spied,
    stretches,
)

NAMES = list(OFF_POLICY)


def with_n_steps(name, n_steps):
    config, space = OFF_POLICY[name]
    return replace(config, n_steps=n_steps).build(spec(space))


def valued(learner):
    """Let the target value of a state be ten times its first feature."""

    def target_value(successors, rows):
        return 10.0 * successors[rows].obs_next[:, 0]

    learner.algorithm._target_q = target_value
    return learner


def by_loop(batch, n_steps):
    returns = []
    for row in range(len(batch.rew)):
        total, discount = 0.0, 1.0
        end = min(n_steps, int(batch.traj_len[row]))
        for t in range(end):
            total += discount * float(batch.rew[row, t])
            discount *= GAMMA ** int(batch.n_env_steps[row, t])
        if not batch.terminated[row, end - 1]:
            total += discount * 10.0 * float(batch.obs[row, end, 0])
        returns.append(total)
    return torch.tensor(returns)


@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_n_step_returns_with_semi_mdp_discounts(name, n_steps):
    learner = valued(with_n_steps(name, n_steps))
    assert learner.n_steps == n_steps
    seen = spied(learner)
    batch = stretches(OFF_POLICY[name][1], n=40, n_steps=n_steps)
    ends = batch.terminated[torch.arange(40), batch.traj_len - 1]
    assert 0 < ends.sum() < 40 and (n_steps == 1 or len(batch.traj_len.unique()) > 1)
    learner.update(batch)
    torch.testing.assert_close(seen[0]["returns"], by_loop(batch, n_steps))
    torch.testing.assert_close(seen[0]["obs"], batch.obs[:, 0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("end", ["terminated", "truncated", "unfinished"])
def test_only_termination_stops_bootstrapping(name, end):
    """From the buffer on: the value of the true last observation counts."""
    space = OFF_POLICY[name][1]
    learner = valued(with_n_steps(name, 3))
    buffer = TransitionBuffer(10, 1, np.random.SeedSequence(0))
    feature = np.eye(3, dtype=np.float32)[:1] if space is CHOICE else np.zeros((1, 2))
    buffer.add(
        Batch(
            obs=np.zeros((1, OBS_DIM), np.float32),
            act=feature.astype(np.float32),
            rew=np.ones(1),
            terminated=np.array([end == "terminated"]),
            truncated=np.array([end == "truncated"]),
            obs_next=np.full((1, OBS_DIM), 0.5, np.float32),
            info=Batch(n_env_steps=np.array([2])),
        )
    )
    seen = spied(learner)
    learner.update(learner.sample(buffer, 4))
    expected = 1.0 if end == "terminated" else 1.0 + GAMMA**2 * 5.0
    torch.testing.assert_close(seen[0]["returns"], torch.full((4,), expected))


# What a state is worth to each algorithm


def returns_of(learner, batch):
    seen = spied(learner)
    learner.update(batch)
    return seen[0]["returns"]


def free(space, n=50):
    """Stretches of one step that pay nothing and go on: returns are target values."""
    return stretches(
        space,
        n,
        1,
        rew=torch.zeros(n, 1),
        terminated=torch.zeros(n, 1, dtype=torch.bool),
        n_env_steps=torch.zeros(n, 1, dtype=torch.int64),
    )


@pytest.mark.parametrize("name, worth", [("sac", 2.0), ("td3", 2.0), ("ddpg", 3.0)])
def test_the_most_cautious_target_critic_counts(name, worth):
    config, space = OFF_POLICY[name]
    fixed = replace(config, alpha=0.0) if name == "sac" else config
    learner = fixed.build(spec(space))
    constant(learner.algorithm.critic_old, 3.0)
    if name != "ddpg":
        constant(learner.algorithm.critic2_old, 2.0)
    found = returns_of(learner, free(space))
    torch.testing.assert_close(found, torch.full((50,), worth))


def test_redq_takes_the_smallest_of_a_random_subset():
    config, space = OFF_POLICY["redq"]
    learner = replace(config, alpha=0.0, n_target_critics=2, tau=0.0).build(spec(space))
    constant(learner.algorithm.critic_old, 0.0)
    bias = list(learner.algorithm.critic_old.parameters())[-1]
    with torch.no_grad():
        bias.copy_(torch.arange(4.0).reshape(bias.shape))
    seen = spied(learner)
    for _ in range(40):
        learner.update(free(space))
    targets = [rows["returns"].unique() for rows in seen]
    assert all(len(values) == 1 for values in targets)  # one subset per update
    assert {float(x) for x in targets} == {0.0, 1.0, 2.0}  # 3 is never the smaller one


@pytest.mark.parametrize("name", ["sac", "redq"])
def test_entropy_is_worth_alpha(name):
    config, space = OFF_POLICY[name]
    worth = {}
    for alpha in (0.5, 1.0):
        learner = replace(config, alpha=alpha).build(spec(space))
        constant(learner.algorithm.critic_old, 0.0)
        if name == "sac":
            constant(learner.algorithm.critic2_old, 0.0)
        worth[alpha] = returns_of(learner, free(space))
    assert (worth[0.5] != 0.0).all()
    torch.testing.assert_close(worth[1.0], 2.0 * worth[0.5])


def test_td3_looks_at_noisy_target_actions_within_bounds():
    config, space = OFF_POLICY["td3"]
    actions = {}
    for noise in (0.0, 5.0):
        learner = replace(config, target_noise=noise, target_noise_clip=9.0).build(
            spec(space)
        )
        looked_at = []
        hook = learner.algorithm.critic_old.register_forward_pre_hook(
            lambda _, args: looked_at.append(args[1].clone())
        )
        returns_of(learner, free(space))
        hook.remove()
        actions[noise] = looked_at[0]
    assert (actions[0.0] != actions[5.0]).any()
    assert actions[5.0].abs().max() == 1.0


@pytest.mark.parametrize("is_double", [True, False])
def test_dqn_values_by_hand(is_double):
    learner = DQNConfig(**SMALL, is_double=is_double, target_update_interval=99).build(
        spec(CHOICE)
    )
    batch = free(CHOICE)
    for seed in range(5):  # until the learned network differs from the target network
        learner.update(stretches(CHOICE, 20, 1, seed=seed))
    with torch.no_grad():
        learned, _ = learner.algorithm.policy.model(batch.obs[:, 1])
        target, _ = learner.algorithm.model_old(batch.obs[:, 1])
    best = learned.argmax(-1)
    assert (best != target.argmax(-1)).any()
    double = target[torch.arange(50), best]
    expected = double if is_double else target.max(-1).values
    torch.testing.assert_close(returns_of(learner, batch), expected)


def test_discrete_sac_values_by_hand():
    config = replace(DISCRETE["discrete-sac"], alpha=0.7)
    learner = config.build(spec(CHOICE))
    batch = free(CHOICE)
    algorithm, after = learner.algorithm, batch.obs[:, 1]
    with torch.no_grad():
        log_p = algorithm.policy.actor(after)[0].log_softmax(-1)
        value = torch.minimum(algorithm.critic_old(after), algorithm.critic2_old(after))
    expected = (log_p.exp() * (value - 0.7 * log_p)).sum(-1)
    torch.testing.assert_close(returns_of(learner, batch), expected)
