"""Returns of every step of whole stretches, against plain loops."""

from dataclasses import replace

import pytest
import torch

from layeredrl.learners import PPOConfig, TDMPC2Config
from tests.learners.tianshou_cases import BOX as BOX_SPACE
from tests.learners.tianshou_cases import (
    CHOICE,
    GAMMA,
    OBS_DIM,
    OFF_POLICY,
    spec,
    spied,
    stretches,
)

NAMES = list(OFF_POLICY)
N_CONDITION, STEPS = 2, 6


def worth(obs):
    """Not linear in what is asked for, so that an average is one of values."""
    return 10.0 * obs[..., 0] + obs[..., -1] ** 2 - 3.0 * obs[..., -2]


def with_n_steps(name, n_steps):
    config, space = OFF_POLICY[name]
    learner = replace(config, n_steps=n_steps).build(spec(space))
    learner.algorithm._target_q = lambda after, rows: worth(after[rows].obs_next)
    return learner


def whole(space, n=40, n_steps=STEPS, n_options=0, **fields):
    made = stretches(space, n, n_steps, is_whole=True, **fields)
    if n_options:
        g = torch.Generator().manual_seed(1)
        options = torch.randn(n, n_options, N_CONDITION, generator=g)
        made = made._replace(next_conditions=options)
    return made


def value_at(batch, row, step):
    obs = batch.obs[row, step]
    if step < int(batch.traj_len[row]) or batch.next_conditions is None:
        return float(worth(obs))
    own = obs[:-N_CONDITION]
    options = [torch.cat([own, asked]) for asked in batch.next_conditions[row]]
    return sum(float(worth(x)) for x in options) / len(options)


def by_loop(batch, row, start, n_steps):
    total, discount = 0.0, 1.0
    end = min(start + n_steps, int(batch.traj_len[row]))
    for t in range(start, end):
        total += discount * float(batch.rew[row, t])
        discount *= GAMMA ** int(batch.n_env_steps[row, t])
    if batch.terminated[row, end - 1]:
        return total
    return total + discount * value_at(batch, row, end)


def every_step(batch, n_steps):
    places = batch.validity_mask.bool().nonzero().tolist()
    return torch.tensor([by_loop(batch, *place, n_steps) for place in places])


@pytest.mark.parametrize("n_options", [0, 3])
@pytest.mark.parametrize("n_steps", [1, 3, 5, STEPS, 9])
@pytest.mark.parametrize("name", NAMES)
def test_every_valid_step_has_its_return(name, n_steps, n_options):
    learner = with_n_steps(name, n_steps)
    seen = spied(learner)
    batch = whole(OFF_POLICY[name][1], n_options=n_options)
    assert set(batch.traj_len.tolist()) == set(range(1, STEPS + 1))
    assert 0 < batch.terminated.sum() < 40
    learner.update(batch)
    expected = every_step(batch, n_steps)
    torch.testing.assert_close(seen[0]["returns"], expected, rtol=1e-4, atol=1e-4)
    is_valid = batch.validity_mask.bool()
    torch.testing.assert_close(seen[0]["obs"], batch.obs[:, :-1][is_valid])
    torch.testing.assert_close(
        seen[0]["act"], learner._raw(batch.act[is_valid]), rtol=1e-4, atol=1e-5
    )
    assert len(seen) == 1  # one update


@pytest.mark.parametrize("n_options", [0, 2])
@pytest.mark.parametrize("n_steps", [1, 4])
def test_stretches_of_one_step(n_steps, n_options):
    learner = with_n_steps("sac", n_steps)
    seen = spied(learner)
    batch = whole(BOX_SPACE, n_steps=1, n_options=n_options)
    learner.update(batch)
    assert seen[0]["obs"].shape == (40, OBS_DIM)
    expected = every_step(batch, n_steps)
    torch.testing.assert_close(seen[0]["returns"], expected)


@pytest.mark.parametrize("n_options", [0, 3])
@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_other_stretches_are_learned_from_at_their_first_step(name, n_steps, n_options):
    learner = with_n_steps(name, n_steps)
    seen = spied(learner)
    batch = whole(OFF_POLICY[name][1], n_steps=n_steps, n_options=n_options)
    learner.update(batch._replace(is_whole=False))
    expected = torch.tensor([by_loop(batch, row, 0, n_steps) for row in range(40)])
    torch.testing.assert_close(seen[0]["returns"], expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(seen[0]["obs"], batch.obs[:, 0])


@pytest.mark.parametrize("name", NAMES)
def test_first_returns_of_stretches_that_are_longer_than_they(name):
    learner = with_n_steps(name, 2)
    seen = spied(learner)
    batch = whole(OFF_POLICY[name][1])._replace(is_whole=False)
    learner.update(batch)
    expected = torch.tensor([by_loop(batch, row, 0, 2) for row in range(40)])
    torch.testing.assert_close(seen[0]["returns"], expected, rtol=1e-4, atol=1e-4)


def test_what_is_said_of_the_last_state_does_not_matter_where_others_are_given():
    learner = with_n_steps("td3", 2)
    batch = whole(BOX_SPACE, n_options=2)
    obs = batch.obs.clone()
    rows = torch.arange(40)
    obs[rows, batch.traj_len, -N_CONDITION:] += 5.0
    seen = spied(learner)
    learner.update(batch)
    learner.update(batch._replace(obs=obs))
    torch.testing.assert_close(seen[0]["returns"], seen[1]["returns"])
    learner.update(batch._replace(obs=obs, next_conditions=None))
    assert (seen[2]["returns"] != seen[0]["returns"]).any()


def test_real_critics_are_asked_with_each_of_the_conditions():
    config, space = OFF_POLICY["td3"]
    learner = replace(config, target_noise=0.0, n_steps=STEPS).build(spec(space))
    batch = whole(space, n_options=3)
    last = batch.obs[torch.arange(40), batch.traj_len]
    copies = []
    for option in range(3):
        obs = batch.obs.clone()
        there = torch.cat(
            [last[:, :-N_CONDITION], batch.next_conditions[:, option]], dim=-1
        )
        obs[torch.arange(40), batch.traj_len] = there
        copies.append(batch._replace(obs=obs, next_conditions=None))
    found = [learner._returns(x, x.obs, STEPS) for x in (batch, *copies)]
    mean = torch.stack(found[1:]).mean(0)
    torch.testing.assert_close(found[0], mean, rtol=1e-4, atol=1e-5)
    assert (found[1] != found[2]).any()


@pytest.mark.parametrize("name", NAMES)
def test_updates_from_whole_stretches_change_weights_and_are_finite(name):
    config, space = OFF_POLICY[name]
    learner = replace(config, n_steps=3).build(spec(space))
    before = learner.acting_state()["policy"]
    for seed in range(3):
        metrics = learner.update(whole(space, n_options=2, seed=seed))
        assert all(bool(x.isfinite()) for x in metrics.values())
    after = learner.acting_state()["policy"]
    assert all(bool((before[key] != after[key]).any()) for key in before)


def test_which_learners_can_learn_from_whole_stretches():
    off_policy = OFF_POLICY["dqn"][0].build(spec(CHOICE))
    others = [config.build(spec()) for config in (PPOConfig(), TDMPC2Config())]
    assert off_policy.learns_from_whole
    assert not any(learner.learns_from_whole for learner in others)
