"""The queries that every predictor answers."""

import copy

import numpy as np
import pytest
import torch
from gymnasium import spaces
from tianshou.data import Batch
from torch import nn

from layeredrl.errors import ConfigurationError, EmptyBufferError, ShapeError
from layeredrl.models import KnownDynamics
from layeredrl.nets import (
    FixedEncoderNet,
    GoalReward,
    IdentityEncoder,
    MemberStack,
    RewardNet,
    TransitionReward,
    ValueNet,
)
from layeredrl.predictors import (
    Predictor,
    RewardPredictor,
    StaticPredictor,
)
from layeredrl.predictors import predictor as predictor_module
from layeredrl.predictors import rewarded_rollout
from tests.toys import (
    ACTIONS,
    BUFFER_KINDS,
    ensemble,
    make_buffer,
    random_buffer,
    unbounded,
)

B, T, O = 6, 4, 4  # noqa: E741
STATE, CONTEXT = (0, 2, 3), (1,)
M, N, P, Z, C = 3, 2, 4, 3, 1


def build(
    kind=RewardPredictor, *, actions=ACTIONS, rew_func="net", val_func="net", **kw
):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ensemble(Z, C, actions, n_models=M, n_modes=N, n_particles_per_model=P)
        if rew_func == "net":
            rew_func = RewardNet(Z, C, model.action_dim, hidden_sizes=(8,))
        if val_func == "net":
            val_func = ValueNet(Z, C, hidden_sizes=(8,))
        encoder = FixedEncoderNet((O,), STATE, CONTEXT)
        return kind(model, val_func, rew_func, encoder, Z, C, **kw)


@pytest.fixture(params=[RewardPredictor, StaticPredictor])
def predictor(request):
    return build(request.param)


@pytest.fixture
def obs(generator):
    return torch.randn(B, O, generator=generator)


@pytest.fixture
def act(generator):
    return torch.rand(B, T, 2, generator=generator) * 2 - 1


class Reached(TransitionReward):
    def forward(self, state, context, action, next_state):
        return next_state[..., 0] + 10 * context[..., 0]


def test_encode(predictor, obs):
    state, context = predictor.encode(obs)
    assert torch.equal(state, obs[:, list(STATE)])
    assert torch.equal(context, obs[:, list(CONTEXT)])


def test_predict_returns_five_things_with_names(predictor, obs, act):
    s_mean, weights, s_std, reward, term_prob = prediction = predictor.predict(
        obs, act[:, 0]
    )
    assert s_mean.shape == s_std.shape == (B, M, N, Z)
    assert weights.shape == (B, M, N)
    assert reward.shape == term_prob.shape == (B,)
    assert prediction._fields == ("s_mean", "weights", "s_std", "reward", "term_prob")
    state, context = predictor.encode(obs)
    mixture = predictor.model.predict(state, context, act[:, 0])
    torch.testing.assert_close(s_mean, mixture.mean)
    torch.testing.assert_close(term_prob, mixture.term_prob.mean(1))
    torch.testing.assert_close(reward, predictor.rew_func(state, context, act[:, 0]))
    torch.testing.assert_close(reward, predictor.predict_reward(obs, act[:, 0]))


def test_rewards_of_the_reached_state_use_the_predicted_one(obs, act):
    predictor = build(rew_func=Reached())
    found = predictor.predict_reward(obs, act[:, 0])
    prediction = predictor.predict(obs, act[:, 0])
    expected = (prediction.weights.unsqueeze(-1) * prediction.s_mean).sum(2).mean(1)
    torch.testing.assert_close(found, expected[:, 0] + 10 * obs[:, 1])
    torch.testing.assert_close(prediction.reward, found)


def test_value(predictor, obs, act):
    state, context = predictor.encode(obs)
    expected = predictor.val_func(state, context, act[:, 0])
    torch.testing.assert_close(predictor.value(obs, act[:, 0]), expected)


def test_missing_parts_are_zero(obs, act):
    predictor = build(rew_func=None, val_func=None)
    assert not predictor.value(obs, act[:, 0]).any()
    assert not predictor.predict_reward(obs, act[:, 0]).any()
    rollout, _ = predictor.rollout(obs, act)
    assert rollout.rew.shape == (B, M, P, T) and not rollout.rew.any()
    assert not predictor.predict(obs, act[:, 0]).reward.any()


def test_plain_callables_will_do(obs, act):
    predictor = RewardPredictor(
        ensemble(Z, C),
        lambda state, context, action: state[..., 0],
        lambda state, context, action: context[..., 0] * action[..., 0],
        lambda obs: (obs[..., list(STATE)], obs[..., list(CONTEXT)]),
        Z,
        C,
    )
    assert torch.equal(predictor.value(obs, act[:, 0]), obs[:, 0])
    torch.testing.assert_close(
        predictor.predict_reward(obs, act[:, 0]), obs[:, 1] * act[:, 0, 0]
    )


@pytest.mark.parametrize("deterministic", [True, False])
def test_rollout_shapes(predictor, obs, act, deterministic):
    trajectory, context = predictor.rollout(obs, act, deterministic)
    assert isinstance(trajectory, Batch)
    assert trajectory.state.shape == (B, M, P, T + 1, Z)
    assert trajectory.rew.shape == trajectory.term_prob.shape == (B, M, P, T)
    for key in ("mean", "var", "epistemic_var", "aleatoric_var"):
        assert trajectory[f"state_{key}"].shape == (B, T + 1, Z)
    torch.testing.assert_close(context, obs[:, list(CONTEXT)])
    start = obs[:, None, None, list(STATE)].expand(B, M, P, Z)
    torch.testing.assert_close(trajectory.state[..., 0, :], start)


def test_rollout_is_that_of_the_model(predictor, obs, act):
    trajectory, context = predictor.rollout(obs, act, deterministic=True)
    expected = predictor.model.rollout(obs[:, list(STATE)], context, act, True)
    torch.testing.assert_close(trajectory.state, expected.state)
    torch.testing.assert_close(trajectory.term_prob, expected.term_prob)


def test_rollout_is_stochastic_by_default(predictor, obs, act):
    predictor.generator = torch.Generator().manual_seed(0)
    first, second = (predictor.rollout(obs, act)[0].state for _ in range(2))
    assert not torch.equal(first, second)
    predictor.generator.manual_seed(0)
    assert torch.equal(first, predictor.rollout(obs, act)[0].state)
    assert len(first[0, 0, :, -1, 0].unique()) == P


@pytest.mark.parametrize("reached", [True, False])
@pytest.mark.parametrize("deterministic", [True, False])
def test_rewards_belong_to_their_steps(obs, act, reached, deterministic):
    if reached:
        predictor = build(rew_func=Reached())
    else:
        predictor = build(rew_func=lambda s, c, a: s[..., 0] + a[..., 1] * c[..., 0])
    trajectory, context = predictor.rollout(obs, act, deterministic)
    for t in range(T):
        before, after = trajectory.state[..., t, 0], trajectory.state[..., t + 1, 0]
        c = context[:, None, None, 0]
        expected = after + 10 * c if reached else before + act[:, None, None, t, 1] * c
        torch.testing.assert_close(trajectory.rew[..., t], expected)


def test_variances_by_hand():
    states = torch.tensor([[[0.0, 2.0], [10.0, 14.0]]])  # (B=1, M=2, P=2)

    class Fixed(KnownDynamics):
        def rollout(self, state, context, actions, deterministic=False, generator=None):
            shape = (1, 2, 2, 2, 1)
            return rewarded_rollout.LatentRollout(
                states[..., None, None].expand(shape), torch.zeros(1, 2, 2, 1)
            )

    model = Fixed(unbounded(1), unbounded(0), ACTIONS, lambda s, c, a: s)
    predictor = StaticPredictor(model, None, None, IdentityEncoder((1,)), 1, 0)
    trajectory, _ = predictor.rollout(torch.zeros(1, 1), torch.zeros(1, 1, 2))
    # Particle means 1 and 12; variances within members 1 and 4.
    assert trajectory.state_mean[0, 1].item() == 6.5
    assert trajectory.state_epistemic_var[0, 1].item() == pytest.approx(5.5**2)
    assert trajectory.state_aleatoric_var[0, 1].item() == pytest.approx(2.5)
    assert trajectory.state_var[0, 1].item() == pytest.approx(5.5**2 + 2.5)


@pytest.mark.parametrize("deterministic", [True, False])
def test_long_batches_are_imagined_in_blocks(
    predictor, obs, act, deterministic, monkeypatch
):
    predictor.generator = torch.Generator().manual_seed(0)
    whole, _ = predictor.rollout(obs, act, True)
    blocks = []
    monkeypatch.setattr(predictor_module, "CACHED_ROWS", 2 * M * P)
    monkeypatch.setattr(rewarded_rollout, "CACHED_ROWS", 2 * M * P)
    model_rollout = predictor.model.rollout

    def spy(state, *args):
        blocks.append(len(state))
        return model_rollout(state, *args)

    monkeypatch.setattr(predictor.model, "rollout", spy)
    cut, _ = predictor.rollout(obs, act, deterministic)
    assert blocks == ([6] if deterministic else [2, 2, 2])
    assert cut.state.shape == whole.state.shape and cut.rew.shape == whole.rew.shape
    if deterministic:
        for key in ("state", "rew", "term_prob"):
            torch.testing.assert_close(cut[key], whole[key])


def test_a_deterministic_rollout_computes_no_particle_twice(
    predictor, obs, act, monkeypatch
):
    rows = {"model": [], "reward": []}
    stack_forward, reward_forward = MemberStack.forward, RewardNet.forward

    def spy_stack(self, x):
        rows["model"].append(x.shape[:-1].numel())
        return stack_forward(self, x)

    def spy_reward(self, state, context, action):
        rows["reward"].append(state.shape[:-1].numel())
        return reward_forward(self, state, context, action)

    monkeypatch.setattr(MemberStack, "forward", spy_stack)
    monkeypatch.setattr(RewardNet, "forward", spy_reward)
    # Also where the rows are cut into blocks, which are put together again.
    monkeypatch.setattr(predictor_module, "CACHED_ROWS", 4 * M)
    rollout = predictor.rollout_latent(
        obs[:, list(STATE)], obs[:, list(CONTEXT)], act, deterministic=True
    )
    assert sum(rows["model"]) == B * M * T
    assert sum(rows["reward"]) == B * M * T
    assert rollout.state.shape == (B, M, P, T + 1, Z)
    assert all(x.stride(2) == 0 for x in rollout)


def test_discrete_actions_may_be_indices(obs):
    predictor = build(actions=spaces.Discrete(3, start=1))
    index = torch.tensor([[1, 2, 3, 1]] * B)
    features = torch.eye(3)[index - 1]
    torch.testing.assert_close(
        predictor.rollout(obs, index, True)[0].state,
        predictor.rollout(obs, features, True)[0].state,
    )
    index, features = index[:, 0], features[:, 0]
    for query in (predictor.predict_reward, predictor.value):
        torch.testing.assert_close(query(obs, index), query(obs, features))
    torch.testing.assert_close(
        predictor.predict(obs, index).s_mean, predictor.predict(obs, features).s_mean
    )


def test_goal_rewards_are_taken_of_imagined_states(obs, act):
    def compute_reward(achieved, desired, info):
        return -np.abs(achieved[:, 0] - desired[:, 0])

    predictor = build(rew_func=GoalReward(compute_reward))
    trajectory, context = predictor.rollout(obs, act)
    expected = -(trajectory.state[..., 1:, 0] - context[:, None, None, :1]).abs()
    torch.testing.assert_close(trajectory.rew, expected)


@pytest.mark.parametrize(
    "act",
    [
        torch.zeros(B, 2),
        torch.zeros(B - 1, T, 2),
        torch.zeros(B, 0, 2),
        torch.zeros(B, T, 3),
    ],
)
def test_impossible_actions_are_named(predictor, obs, act):
    with pytest.raises(ShapeError, match="actions"):
        predictor.rollout(obs, act)


@pytest.mark.parametrize("kind", [RewardPredictor, StaticPredictor])
def test_parts_that_do_not_fit_are_named(kind):
    model, encoder = ensemble(Z, C), FixedEncoderNet((O,), STATE, CONTEXT)
    with pytest.raises(ShapeError, match=r"the model was built for \(3, 1\)"):
        kind(model, None, None, encoder, Z, 0)
    with pytest.raises(ShapeError, match=r"the encoder yields \(4, 0\)"):
        kind(model, None, None, IdentityEncoder((O,)), Z, C)
    with pytest.raises(ConfigurationError, match="log_interval"):
        kind(model, None, None, encoder, Z, C, log_interval=0)


@pytest.mark.parametrize("kind", [RewardPredictor, StaticPredictor])
def test_everything_runs_in_evaluation_mode(kind, obs, act):
    class Dropping(nn.Module):
        def __init__(self):
            super().__init__()
            self.dropout = nn.Dropout(0.5)

        def forward(self, state, context, action):
            return self.dropout(state).sum(-1)

    predictor = build(kind, rew_func=Dropping(), val_func=Dropping())
    assert not any(module.training for module in predictor.modules())
    first = predictor.predict_reward(obs, act[:, 0])
    torch.testing.assert_close(first, predictor.predict_reward(obs, act[:, 0]))
    torch.testing.assert_close(first, predictor.value(obs, act[:, 0]))


def test_counters_are_in_the_state_dict(predictor):
    assert "n_learn_calls" in predictor.state_dict()
    assert "model.n_total_env_steps" in predictor.state_dict()


def test_copies_are_deep(predictor, obs, act):
    copied = copy.deepcopy(predictor)
    before = predictor.rollout(obs, act, True)[0].rew
    for parameter in predictor.parameters():
        parameter.data.add_(1.0)
    torch.testing.assert_close(copied.rollout(obs, act, True)[0].rew, before)
    assert not torch.equal(predictor.rollout(obs, act, True)[0].rew, before)


class TestPartialTrajectories:
    sample = staticmethod(Predictor.sample_partial_trajectories)

    @pytest.mark.parametrize("kind", BUFFER_KINDS)
    @pytest.mark.parametrize("fill", [1, 9, 15, 40])
    @pytest.mark.parametrize("n_steps", [1, 6])
    def test_indices_lengths_and_masks(self, kind, fill, n_steps):
        buffer = random_buffer(kind, fill)
        indices, traj_len, mask = self.sample(buffer, 32, n_steps)
        assert isinstance(indices, np.ndarray) and indices.shape == (n_steps, 32)
        assert traj_len.shape == (32,) and mask.shape == (32, n_steps)
        assert mask.dtype == torch.float32 and set(mask.unique().tolist()) <= {0.0, 1.0}
        assert torch.equal(mask.sum(1).long(), traj_len)
        assert (mask.diff(dim=1) <= 0).all() and (mask[:, 0] == 1).all()
        for t in range(n_steps - 1):
            np.testing.assert_array_equal(indices[t + 1], buffer.next(indices[t]))
        beyond = ~mask.bool().numpy().T
        last = indices[traj_len.numpy() - 1, np.arange(32)]
        np.testing.assert_array_equal(
            indices[beyond], np.tile(last, (n_steps, 1))[beyond]
        )

    def test_is_static_and_takes_a_device(self):
        buffer = random_buffer()
        predictor = build()
        _, traj_len, mask = predictor.sample_partial_trajectories(
            buffer, 4, 2, torch.device("meta")
        )
        assert traj_len.device.type == mask.device.type == "meta"

    @pytest.mark.parametrize("kind", BUFFER_KINDS)
    def test_an_empty_buffer_says_so(self, kind):
        with pytest.raises(EmptyBufferError, match="no transition"):
            self.sample(make_buffer(kind), 4, 2)

    @pytest.mark.parametrize("sizes", [(0, 2), (4, 0), (-1, 2)])
    def test_sizes_of_zero_are_refused(self, sizes):
        with pytest.raises(ConfigurationError, match="at least one"):
            self.sample(random_buffer(), *sizes)
