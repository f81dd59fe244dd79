"""TD-MPC2's targets and losses, against numbers worked out by plain loops."""

import pytest
import torch

from layeredrl.learners.tdmpc2.losses import (
    ModelLosses,
    imagine,
    model_losses,
    policy_values,
    td_targets,
)
from layeredrl.learners.tdmpc2.stretches import read_stretches
from tests.learners.tdmpc2_cases import batch, learner, warmed

GAMMA, RHO = 0.9, 0.5


def stretches_of(made, stretches, n_condition=0):
    return read_stretches(stretches, n_condition, made._scaling, GAMMA, RHO)


def targets_of(made, stretches, n_condition=0):
    read = stretches_of(made, stretches, n_condition)
    model, generator = made._model, torch.Generator().manual_seed(0)
    with torch.no_grad():
        next_state = model.encode(read.obs[:, 1:])
    return td_targets(model, made._target_values, read, next_state, generator), read


@pytest.fixture
def made():
    made = warmed(learner(2))
    generator = torch.Generator().manual_seed(5)
    made._model.values._last.weight.data.normal_(generator=generator)
    made._target_values.load_state_dict(made._model.values.state_dict())
    return made


def test_termination_cuts_the_bootstrap_and_an_early_end_does_not(made):
    plain = batch(traj_len=torch.tensor([3, 2, 1] + 5 * [3]))
    terminated = torch.zeros(8, 3, dtype=torch.bool)
    terminated[1, 1] = terminated[3, 2] = True
    cut, _ = targets_of(made, plain._replace(terminated=terminated), 2)
    going_on, _ = targets_of(made, plain, 2)
    reward = plain.rew.float()
    torch.testing.assert_close(cut[terminated], reward[terminated])
    torch.testing.assert_close(cut[~terminated], going_on[~terminated])
    # Row 2 ends after one step without having terminated: it bootstraps.
    assert (going_on - reward)[2, 0].abs() > 1e-4
    assert ((going_on - reward).abs() > 1e-6).all()


def test_longer_decisions_discount_more(made):
    one, _ = targets_of(made, batch(), 2)
    n_env_steps = torch.tensor([1, 2, 5]).expand(8, 3)
    other, _ = targets_of(made, batch(n_env_steps=n_env_steps), 2)
    reward = batch().rew.float()
    ratio = (other - reward) / (one - reward)
    expected = GAMMA ** torch.tensor([0.0, 1.0, 4.0])
    torch.testing.assert_close(ratio, expected.expand(8, 3), rtol=1e-3, atol=1e-3)


def test_target_is_the_lower_of_two_values_of_the_policy_there(made):
    targets, read = targets_of(made, batch(), 2)
    model, g = made._model, torch.Generator().manual_seed(0)
    with torch.no_grad():
        state = model.encode(read.obs[:, 1:])
        condition = read.condition[:, 1:]
        action, _ = model.policy.sample(torch.cat([state, condition], -1), g)
        first, second = torch.randperm(5, generator=g)[:2].tolist()
        logits = made._target_values(torch.cat([state, condition, action], -1))
        every = model.two_hot.decode(logits)
    lower = torch.minimum(every[first], every[second])
    torch.testing.assert_close(targets, read.reward + GAMMA * lower)
    assert not targets.requires_grad


def test_the_next_condition_matters_to_the_target(made):
    one = batch()
    obs = one.obs.clone()
    obs[:, 1:, -2:] += 1.0
    before, after = (
        targets_of(made, one, 2)[0],
        targets_of(made, one._replace(obs=obs), 2)[0],
    )
    assert (before != after).all()


@pytest.mark.parametrize("n_options", [1, 3])
def test_values_where_stretches_end_are_averaged_over_what_could_be_asked_next(
    made, n_options
):
    traj_len = torch.tensor([3, 1, 2, 3, 3, 2, 1, 3])
    terminated = torch.zeros(8, 3, dtype=torch.bool)
    terminated[0, 2] = terminated[2, 1] = True
    g = torch.Generator().manual_seed(3)
    options = torch.randn(8, n_options, 2, generator=g)
    plain = batch(traj_len=traj_len, terminated=terminated, seed=4)
    model = made._model  # nothing that is drawn shall matter
    model.draw_values = lambda generator: torch.tensor([1, 3])
    model.policy.sample = lambda x, generator: (model.policy.best(x), None)
    targets, read = targets_of(made, plain._replace(next_conditions=options), 2)
    for row in range(8):
        for step in range(3):
            is_last = step == int(traj_len[row]) - 1
            asked = options[row] if is_last else read.condition[row, step + 1, None]
            value = mean_value_by_hand(made, read.obs[row, step + 1], asked)
            expected = float(read.reward[row, step])
            if not terminated[row, step]:
                expected += GAMMA * value
            assert float(targets[row, step]) == pytest.approx(expected, rel=1e-4)


@torch.no_grad()
def mean_value_by_hand(made, obs, asked):
    """The lower of the two chosen functions, averaged over conditions."""
    model, total = made._model, 0.0
    for condition in asked:
        state = model.encode(obs)
        x = torch.cat([state, condition])
        x = torch.cat([x, model.policy.best(x)])
        every = model.two_hot.decode(made._target_values(x))
        total += float(every[[1, 3]].min())
    return total / len(asked)


def test_what_could_be_asked_next_changes_nothing_before_the_end(made):
    """The other values are drawn first, as they are without."""
    plain = batch(traj_len=torch.tensor([3, 1, 2, 3, 3, 2, 1, 3]))
    options = torch.ones(8, 2, 2)
    targets, _ = targets_of(made, plain, 2)
    changed, _ = targets_of(made, plain._replace(next_conditions=options), 2)
    is_last = torch.arange(3) == plain.traj_len[:, None] - 1
    torch.testing.assert_close(targets[~is_last], changed[~is_last])
    assert (targets[is_last] != changed[is_last]).all()


def test_weights_fall_along_time_and_ignore_what_is_not_valid(made):
    read = stretches_of(made, batch(2, traj_len=torch.tensor([3, 1])))
    expected = torch.tensor([[1.0, 0.5, 0.25], [1.0, 0.0, 0.0]]) / 2.75
    torch.testing.assert_close(read.weight, expected)
    loss = torch.arange(6.0).reshape(2, 3)
    torch.testing.assert_close(read.mean(loss), (expected * loss).sum())


def test_actions_are_read_in_the_unit_box(made):
    action = torch.tensor([[-2.0, 0.0], [2.0, 1.0], [0.0, 0.5]]).expand(2, 3, 2)
    read = stretches_of(made, batch(2, act=action))
    expected = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]])
    torch.testing.assert_close(read.action, expected.expand(2, 3, 2))


def test_losses_are_those_of_a_step_by_step_rollout(made):
    terminated = torch.zeros(8, 3, dtype=torch.bool)
    terminated[0, 1] = True
    stretches = batch(terminated=terminated, traj_len=torch.tensor([2, 1] + 6 * [3]))
    targets, read = targets_of(made, stretches, 2)
    model = made._model
    next_state = model.encode(read.obs[:, 1:]).detach()
    with torch.no_grad():
        losses = model_losses(model, read, imagine(model, read), next_state, targets)
        expected = losses_by_loops(model, stretches, read, next_state, targets)
    for name, value in losses._asdict().items():
        assert float(value) == pytest.approx(expected[name], rel=1e-3, abs=1e-6)


def losses_by_loops(model, stretches, read, next_state, targets):
    totals = dict.fromkeys(ModelLosses._fields, 0.0)
    for row in range(8):
        state = model.encode(read.obs[row, 0])
        for step in range(int(stretches.traj_len[row])):
            weight = float(read.weight[row, step])
            x = torch.cat([state, read.condition[row, step], read.action[row, step]])
            state = model.dynamics(x)
            error = (state - next_state[row, step]).square().mean()
            logits = [model.reward(x), *model.values(x)]
            wanted = [read.reward[row, step], *5 * [targets[row, step]]]
            nats = [
                float(model.two_hot.loss(*pair))
                for pair in zip(logits, wanted, strict=True)
            ]
            alive = 1.0 - model.termination(x).sigmoid()
            chance = 1.0 - alive if read.terminated[row, step] else alive
            totals["consistency"] += weight * float(error)
            totals["reward"] += weight * nats[0]
            totals["value"] += weight * sum(nats[1:]) / 5
            totals["termination"] -= weight * float(chance.log())
    return totals


def test_no_gradient_reaches_what_must_not_move(made):
    read = stretches_of(made, batch(), 2)
    model, g = made._model, torch.Generator().manual_seed(0)
    model.zero_grad()
    inputs, _ = imagine(model, read)
    value, entropy = policy_values(model, inputs, 2, g)
    assert value.shape == entropy.shape == (8, 3)
    (value.sum() + entropy.sum()).backward()
    for part in (model.encode, model.dynamics, model.reward):
        assert all(p.grad is None for p in part.parameters())
    assert all((p.grad != 0).any() for p in model.policy.parameters())


def test_updates_leave_no_gradients_in_the_way(made):
    before = made.state_dict()["model"]
    made.update(batch())
    assert all(p.requires_grad for p in made._model.parameters())
    assert not any(p.requires_grad for p in made._target_values.parameters())
    after = made.state_dict()["model"]
    moved = [name for name in after if not torch.equal(before[name], after[name])]
    assert any(name.startswith("policy") for name in moved)


def test_targets_follow_slowly():
    made = warmed(learner(tau=0.25))
    before = made.state_dict()["target_values"]
    made.update(batch())
    source, after = (made.state_dict()[key] for key in ("model", "target_values"))
    for name, value in after.items():
        expected = before[name].lerp(source[f"values.{name}"], 0.25)
        torch.testing.assert_close(value, expected)


def test_the_discount_of_a_decision_is_learned():
    made = learner(tau=1.0)
    made.update(batch(n_env_steps=torch.full((8, 3), 10)))
    assert float(made._model.discount) == pytest.approx(0.99**10)


def test_the_encoder_has_its_own_step_size():
    made = learner(learning_rate=1e-3, encoder_lr_scale=0.0)
    before = made.state_dict()["model"]
    made.update(batch())
    after = made.state_dict()["model"]
    for name in before:
        if name.startswith("encode"):
            assert torch.equal(before[name], after[name])
