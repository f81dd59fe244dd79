import copy
import math

import numpy as np
import pytest
import torch
from gymnasium import spaces
from tianshou.data import Batch, ReplayBuffer, VectorReplayBuffer
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from layeredrl.errors import ConfigurationError
from layeredrl.nets import (
    Encoder,
    EncoderNet,
    GoalReward,
    PlainFunction,
    ReachedRewardNet,
    RewardNet,
    TransitionReward,
    ValueNet,
)
from layeredrl.predictors import RewardPredictor
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.schedules import LinearSchedule
from tests.toys import (
    BUFFER_KINDS,
    WIDER_NET,
    ensemble,
    linear_buffer,
    linear_reward,
    random_buffer,
    reward_predictor,
)

O, Z, C = 5, 3, 2  # noqa: E741


def everything(seed=0, **kwargs):
    """A predictor in which every part has weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = {
            "encoder": EncoderNet((O,), Z, C, hidden_sizes=(8,)),
            "val_func": ValueNet(Z, C, hidden_sizes=(8,)),
            "rew_func": RewardNet(Z, C, 2, hidden_sizes=(8,)),
            "model": ensemble(Z, C, n_models=2, n_modes=2, seed=seed),
            "encoder_warm_up": 0,
            "k_steps": 3,
            "n_steps": 2,
        }
        return reward_predictor(O, seed=seed, **(parts | kwargs))


GROUPS = {
    "model": lambda p: p.model,
    "value": lambda p: p.val_func,
    "reward": lambda p: p.rew_func,
    "encoder": lambda p: p.encoder,
    "target": lambda p: p.target_val_func,
    "standardizer": lambda p: p.delta_standardizer,
}


def test_an_encoder_that_is_not_learned_stays_as_it_is():
    """Neither its weights nor its statistics, and it drops nothing."""
    encoder = EncoderNet((O,), Z, C, hidden_sizes=(8,))
    encoder.register_forward_hook(lambda net, *_: modes.append(net.training))
    modes: list[bool] = []
    predictor = everything(encoder=encoder, learn_encoder=False)
    before = copy.deepcopy(encoder.state_dict())
    learn(predictor, n_steps=3)
    after = encoder.state_dict()
    assert modes and not any(modes)
    assert all(torch.equal(after[name], before[name]) for name in before)


def weights(predictor):
    return {
        name: [
            parameter.detach().clone() for parameter in group(predictor).parameters()
        ]
        for name, group in GROUPS.items()
        if group(predictor) is not None
    }


def changed(before, after):
    """Names of the groups of which any weight is another one."""
    return {
        name
        for name in before
        if any(
            not torch.equal(x, y)
            for x, y in zip(before[name], after[name], strict=True)
        )
    }


def learn(predictor, buffer=None, n_steps=1, n_total_env_steps=0):
    buffer = random_buffer(n_steps=14) if buffer is None else buffer
    return predictor.learn(buffer, n_steps, 16, 16, n_total_env_steps)


def assert_same_state(one, two):
    one, two = one.state_dict(), two.state_dict()
    assert one.keys() == two.keys()
    for key, value in one.items():
        assert torch.equal(value, two[key]), key


class Spy(nn.Module):
    """Any function of latents, with one weight, that notes what it is given."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))
        self.calls = []

    def forward(self, state, context, action):
        self.calls.append((state, context, action, self.training))
        return self.weight * state.sum(-1)


class TestLearning:
    @pytest.mark.learning
    @pytest.mark.parametrize("reached", [True, False])
    def test_learns_reward_dynamics_and_value(self, reached):
        kind = ReachedRewardNet if reached else RewardNet
        buffer = linear_buffer(300)
        if reached:  # the same world, paid one step later
            buffer.rew[:] = buffer.obs_next[:, 0] - 2.0 * buffer.obs_next[:, 1]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            predictor = reward_predictor(
                2,
                val_func=ValueNet(2, 0, hidden_sizes=(32,)),
                rew_func=kind(2, 0, 2, hidden_sizes=(32,)),
                model=ensemble(2, 0, n_modes=2, net=WIDER_NET),
                gamma=0.9,
                tau=0.05,
                k_steps=2,
                n_steps=5,
                value_lr=3e-3,
                reward_lr=3e-3,
                model_lr=3e-3,
                learn_encoder=False,
            )
        _, first = predictor.learn(buffer, 1, 128, 128, 0)
        for _ in range(40):
            predictor.learn(buffer, 20, 128, 128, 1)
        _, last = predictor.learn(buffer, 1, 512, 512, 2)
        assert last["rew_loss"].item() < 0.02 * first["rew_loss"].item()
        assert last["value_loss"].item() < 0.2 * first["value_loss"].item()
        assert last["nll"].item() < first["nll"].item() - 2.0
        g = torch.Generator().manual_seed(3)
        obs = torch.randn(200, 2, generator=g)
        act = torch.rand(200, 2, generator=g) * 2 - 1
        following = 0.9 * obs + 0.3 * act
        prediction = predictor.predict(obs, act)
        mean = (prediction.weights.unsqueeze(-1) * prediction.s_mean).sum(2)[:, 0]
        assert (mean - following).abs().mean().item() < 0.03
        paid = (
            following[:, 0] - 2 * following[:, 1]
            if reached
            else linear_reward(obs, act)
        )
        assert (prediction.reward - paid).abs().mean().item() < 0.15
        # Under random actions states decay by .9 per step, and so does what they pay.
        direction = obs[:, 0] - 2 * obs[:, 1]
        worth = direction / (1 - 0.9 * 0.9) * (0.9 if reached else 1.0)
        value = predictor.value(obs, act)
        assert (value - worth).abs().mean().item() < 0.15 * worth.std().item()

    @pytest.mark.learning
    def test_learns_the_encoder_through_the_reward(self):
        # Reward and context hide among noise in other features.
        buffer = linear_buffer(300)
        rng = np.random.default_rng(0)
        for key in ("obs", "obs_next"):
            noise = rng.normal(size=(len(buffer), 3)).astype(np.float32)
            wide = np.concatenate([noise, getattr(buffer, key)], axis=1)
            buffer._meta.__dict__[key] = wide
        encoder = EncoderNet((5,), 2, 0, hidden_sizes=(32,))
        predictor = reward_predictor(
            5,
            encoder=encoder,
            rew_func=RewardNet(2, 0, 2, hidden_sizes=(32,)),
            encoder_lr=3e-3,
            reward_lr=3e-3,
            encoder_warm_up=5,
        )
        _, first = predictor.learn(buffer, 1, 128, 128, 0)
        for _ in range(40):
            predictor.learn(buffer, 20, 128, 128, 0)
        _, last = predictor.learn(buffer, 1, 512, 512, 0)
        assert last["rew_loss"].item() < 0.1 * first["rew_loss"].item()

    def test_every_part_is_trained(self):
        predictor = everything()
        before = weights(predictor)
        loss, info = learn(predictor)
        assert changed(before, weights(predictor)) == set(GROUPS)
        assert loss.shape == () and loss.isfinite() and not loss.requires_grad
        assert {"rew_loss", "value_loss", "consistency_loss", "loss"} <= info.keys()
        assert all(x.shape == () and not x.requires_grad for x in info.values())

    def test_calls_are_counted_and_steps_passed_on(self):
        predictor = everything()
        for calls in range(1, 4):
            learn(predictor, n_steps=2, n_total_env_steps=100 * calls)
            assert int(predictor.n_learn_calls) == calls
            assert int(predictor.model.n_total_env_steps) == 100 * calls

    @pytest.mark.parametrize("kind", BUFFER_KINDS)
    @pytest.mark.parametrize("fill", [1, 40])
    def test_any_buffer_will_do(self, kind, fill):
        loss, _ = learn(everything(), random_buffer(kind, fill), n_steps=2)
        assert loss.isfinite()

    def test_discrete_actions(self):
        buffer = random_buffer(n_steps=14)
        buffer.set_array_at_key(np.random.default_rng(0).integers(4, size=60), "act")
        predictor = reward_predictor(O, model=ensemble(O, 0, spaces.Discrete(4)))
        before = weights(predictor)
        loss, _ = learn(predictor, buffer)
        assert loss.isfinite() and "model" in changed(before, weights(predictor))

    def test_no_steps_change_nothing(self):
        predictor = everything()
        before = weights(predictor)
        loss, info = learn(predictor, n_steps=0)
        assert loss.item() == 0.0 and info == {}
        assert not changed(before, weights(predictor))

    @pytest.mark.parametrize("buffer", [ReplayBuffer(5), VectorReplayBuffer(6, 2)])
    def test_waits_for_the_first_transition(self, buffer):
        predictor = everything()
        loss, info = learn(predictor, buffer, n_steps=3)
        assert loss.item() == 0.0 and info == {}
        assert int(predictor.n_learn_calls) == 0

    @pytest.mark.parametrize("sizes", [(0, 4), (4, 0)])
    def test_empty_batches_are_refused(self, sizes):
        predictor = everything()
        with pytest.raises(ConfigurationError, match="at least one row, got 0"):
            predictor.learn(random_buffer(), 1, *sizes, 0)
        assert not predictor.training

    def test_trains_in_training_mode_only(self):
        rew_func, val_func = Spy(), Spy()
        predictor = everything(rew_func=rew_func, val_func=val_func)
        learn(predictor, n_steps=2)
        assert all(call[3] for call in rew_func.calls)
        assert all(call[3] for call in val_func.calls)
        assert not predictor.training and not rew_func.training
        target = predictor.target_val_func.function
        assert target.calls and not any(call[3] for call in target.calls)

    def test_same_seed_same_result(self):
        one, two = everything(seed=3), everything(seed=3)
        for predictor in (one, two):
            learn(predictor, random_buffer(n_steps=14), n_steps=3)
        assert_same_state(one, two)
        other = everything(seed=3)
        learn(other, random_buffer(n_steps=14, seed=1), n_steps=3)
        assert changed(weights(one), weights(other))


class TestParts:
    @pytest.mark.parametrize("learn_encoder", [True, False])
    def test_the_encoder_is_learned_or_not(self, learn_encoder):
        predictor = everything(learn_encoder=learn_encoder)
        before = weights(predictor)
        learn(predictor, n_steps=2)
        assert ("encoder" in changed(before, weights(predictor))) is learn_encoder

    def test_the_encoder_learns_through_the_reward_only(self):
        predictor = everything(rew_loss_weight=0.0)
        before = weights(predictor)
        learn(predictor, n_steps=2)
        after = changed(before, weights(predictor))
        assert "encoder" not in after and {"model", "value"} <= after

    def test_rewards_see_the_context_of_the_first_step(self):
        # An encoder whose "context" is a clock.
        spy = Spy()
        predictor = reward_predictor(
            O, encoder=_Plain((0, 1), (2,)), rew_func=spy, k_steps=2, n_steps=3
        )
        buffer = random_buffer(n_steps=14, p_terminated=0, p_truncated=0)
        batch = predictor.compute_targets(buffer, 32, 2, 3)
        predictor.loss(batch, predictor.sample_model_batch(buffer, 8))
        context = spy.calls[-1][1]
        first = torch.tensor(buffer.obs[batch.indices[0], 2])
        assert torch.equal(context, first[:, None, None].expand(32, 5, 1))

    def test_values_are_learned_from_planned_actions_only(self):
        buffer = random_buffer(n_steps=14)
        buffer.info.random_mode[:] = True
        predictor = everything(rew_loss_weight=0.0, consistency_loss_weight=0.0)
        predictor.val_func.observe = lambda *args: None
        before = weights(predictor)
        _, info = learn(predictor, buffer)
        assert info["value_loss"].item() == 0.0
        assert "value" not in changed(before, weights(predictor))
        buffer.info.random_mode[:] = False
        _, info = learn(predictor, buffer)
        assert info["value_loss"].item() > 0.0
        assert "value" in changed(before, weights(predictor))

    @pytest.mark.parametrize("val_func", [None, lambda s, c, a: s[..., 0]])
    def test_values_without_weights(self, val_func):
        predictor = reward_predictor(O, val_func=val_func)
        loss, info = learn(predictor, n_steps=2)
        assert loss.isfinite() and info["value_loss"].isfinite()

    def test_rewards_without_weights(self):
        before_after = []
        for rew_func in (
            lambda s, c, a: s[..., 0],
            GoalReward(lambda ag, dg, info: -np.abs(ag[:, 0])),
        ):
            predictor = everything(rew_func=rew_func)
            before = weights(predictor)
            loss, info = learn(predictor, n_steps=2)
            assert loss.isfinite() and info["rew_loss"].item() > 0.0
            before_after.append(changed(before, weights(predictor)))
        # A reward in torch trains the encoder, one in numpy cannot.
        assert "encoder" in before_after[0] and "encoder" not in before_after[1]

    def test_no_reward_at_all(self):
        encoder = EncoderNet((O,), Z, C, hidden_sizes=(8,))
        predictor = RewardPredictor(ensemble(Z, C), None, None, encoder, Z, C)
        loss, info = learn(predictor)
        assert loss.isfinite() and info["rew_loss"].item() == 0.0

    def test_rewards_of_transitions_get_the_next_states(self):
        seen = []

        class Reached(TransitionReward):
            def forward(self, state, context, action, next_state):
                seen.append((state, next_state))
                return next_state.sum(-1)

        buffer = random_buffer(n_steps=14)
        predictor = reward_predictor(O, (1,), rew_func=Reached(), k_steps=2)
        batch = predictor.compute_targets(buffer, 8, 2, 1)
        predictor.loss(batch, predictor.sample_model_batch(buffer, 8))
        state, next_state = seen[-1]
        assert torch.equal(state, batch.state) and torch.equal(
            next_state, batch.next_state
        )
        columns = [0, 2, 3, 4]
        first = buffer.obs_next[batch.indices[0]][:, columns]
        np.testing.assert_array_equal(next_state[:, 0].detach().numpy(), first)

    def test_pictures_reach_the_encoder(self):
        class Seeing(Encoder):
            latent_state_dim, context_dim = 2, 1

            def forward(self, obs):
                brightness = obs["image"].float().mean((-1, -2)).unsqueeze(-1) / 255
                return obs["vector"], brightness

        rng, buffer = np.random.default_rng(0), VectorReplayBuffer(20, 2)
        for _ in range(8):
            obs, obs_next = (
                {
                    "vector": rng.normal(size=(2, 2)).astype(np.float32),
                    "image": rng.integers(0, 255, (2, 4, 4)).astype(np.uint8),
                }
                for _ in range(2)
            )
            buffer.add(
                Batch(
                    obs=obs,
                    act=rng.normal(size=(2, 2)).astype(np.float32),
                    rew=rng.normal(size=2),
                    terminated=np.zeros(2, bool),
                    truncated=np.zeros(2, bool),
                    obs_next=obs_next,
                    info=Batch(),
                )
            )
        predictor = reward_predictor(encoder=Seeing(), k_steps=2)
        loss, _ = learn(predictor, buffer, n_steps=2)
        assert loss.isfinite()
        batch = predictor.compute_targets(buffer, 4, 2, 1)
        assert batch.obs.image.shape == (4, 3, 4, 4)


class _Plain(Encoder):
    """Columns as latent state and context, without any check."""

    def __init__(self, state, context):
        super().__init__()
        self.columns = list(state), list(context)
        self.latent_state_dim, self.context_dim = len(state), len(context)

    def forward(self, obs):
        return obs[..., self.columns[0]], obs[..., self.columns[1]]


class TestWarmUp:
    @pytest.mark.parametrize("n_calls", [1, 3])
    def test_trains_encoder_and_reward_for_that_many_calls(self, n_calls):
        predictor = everything(encoder_warm_up=n_calls)
        for _ in range(n_calls):
            before = weights(predictor)
            _, info = learn(predictor, n_steps=2)
            assert changed(before, weights(predictor)) == {"encoder", "reward"}
            assert "consistency_loss" not in info
        before = weights(predictor)
        learn(predictor)
        assert changed(before, weights(predictor)) == set(GROUPS)

    def test_progress_is_saved(self):
        predictor = everything(encoder_warm_up=2)
        learn(predictor)
        loaded = everything(encoder_warm_up=2)
        loaded.load_state_dict(predictor.state_dict())
        learn(loaded)
        before = weights(loaded)
        learn(loaded)
        assert "model" in changed(before, weights(loaded))

    def test_without_a_learned_encoder_there_is_nothing_to_warm_up(self):
        predictor = everything(encoder_warm_up=5, learn_encoder=False)
        before = weights(predictor)
        learn(predictor)
        assert "model" in changed(before, weights(predictor))


class TestLearningRates:
    @pytest.mark.parametrize("name", ["model", "value", "reward", "encoder"])
    def test_each_schedule_reaches_its_group(self, name):
        schedule = LinearSchedule(0.0, 1e-2, duration=100)
        predictor = everything(**{f"{name}_lr": schedule})
        # PopArt would rescale weights beside the optimizer.
        predictor.val_func.observe = predictor.rew_func.observe = lambda *args: None
        before = weights(predictor)
        learn(predictor, n_total_env_steps=0)
        after = weights(predictor)
        assert name not in changed(before, after)
        assert {"model", "value", "reward", "encoder"} - {name} <= changed(
            before, after
        )
        learn(predictor, n_total_env_steps=50)
        assert predictor.optimizer.learning_rates[name] == pytest.approx(5e-3)
        assert name in changed(after, weights(predictor))

    def test_numbers_are_constant_schedules(self):
        rates = {"model": 1e-3, "value": 2e-3, "reward": 3e-3, "encoder": 4e-3}
        predictor = everything(**{f"{k}_lr": v for k, v in rates.items()})
        for steps in (0, 10**6):
            learn(predictor, n_total_env_steps=steps)
            assert predictor.optimizer.learning_rates == pytest.approx(rates)

    def test_the_standardizer_has_its_own(self):
        predictor = everything(delta_standardizer_lr=0.0)
        before = weights(predictor)
        learn(predictor)
        assert changed(before, weights(predictor)) == set(GROUPS) - {"standardizer"}

    @pytest.mark.parametrize("clip", [None, 1e-3, 20.0])
    def test_gradients_are_clipped_together(self, clip):
        predictor = everything(clip_grad_max_norm=clip)
        _, info = learn(predictor)
        gradients = [
            p.grad
            for name in ("model", "value", "reward", "encoder")
            for p in GROUPS[name](predictor).parameters()
            if p.grad is not None
        ]
        total = torch.stack([g.square().sum() for g in gradients]).sum().sqrt().item()
        before_clipping = info["grad_norm"].item()
        limit = math.inf if clip is None else clip
        assert total == pytest.approx(min(before_clipping, limit), rel=1e-3)
        assert before_clipping > 1e-2


class TestLoss:
    def batches(self, predictor):
        buffer = random_buffer(n_steps=14)
        return (
            predictor.compute_targets(buffer, 16, 3, 2),
            predictor.sample_model_batch(buffer, 16),
        )

    @pytest.mark.parametrize(
        ("model", "value", "reward"),
        [(1, 1, 1), (2, 0, 0), (0, 3, 0), (0, 0, 4), (2, 3, 4)],
    )
    def test_is_the_weighted_sum_of_its_terms(self, model, value, reward):
        predictor = everything(
            consistency_loss_weight=model,
            value_loss_weight=value,
            rew_loss_weight=reward,
        )
        loss, info = predictor.loss(*self.batches(predictor))
        expected = (
            model * info["consistency_loss"]
            + value * info["value_loss"]
            + reward * info["rew_loss"]
        )
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(info["loss"], expected)
        assert (loss > 0).item()

    def test_consistency_is_the_models_loss(self):
        predictor = everything()
        batch, model_batch = self.batches(predictor)
        _, info = predictor.loss(batch, model_batch)
        assert (
            model_batch.state.shape == (16, Z) and not model_batch.state.requires_grad
        )
        keys = {
            "state",
            "next_state",
            "context",
            "next_context",
            "act",
            "terminated",
            "validity_mask",
        }
        assert keys <= set(model_batch.get_keys())
        total = info["nll"] + info["term_loss"]
        torch.testing.assert_close(info["consistency_loss"], total)

    def test_changes_nothing(self):
        predictor = everything()
        batches = self.batches(predictor)
        before = copy.deepcopy(predictor)
        first, second = (predictor.loss(*batches)[0] for _ in range(2))
        assert torch.equal(first, second)
        assert_same_state(before, predictor)

    def test_model_batches_are_single_transitions(self):
        buffer = random_buffer(n_steps=40)
        predictor = reward_predictor(O, (1,))
        batch = predictor.sample_model_batch(buffer, 200)
        stored = {tuple(row): i for i, row in enumerate(buffer.obs.tolist())}
        index = [stored[tuple(row)] for row in batch.obs.tolist()]
        np.testing.assert_array_equal(batch.obs_next, buffer.obs_next[index])
        np.testing.assert_array_equal(batch.act, buffer.act[index])
        np.testing.assert_array_equal(batch.terminated, buffer.terminated[index])
        assert len(set(index)) > 40 and batch.terminated.any()
        assert torch.equal(batch.context, batch.next_context)


class TestTargetNetwork:
    @pytest.mark.parametrize("tau", [0.0, 0.005, 0.3, 1.0])
    def test_follows_softly_after_each_step(self, tau):
        spy = Spy()
        predictor = everything(val_func=spy, tau=tau, value_lr=0.1)
        target = predictor.target_val_func.function
        before = target.weight.item()
        learn(predictor, n_steps=1)
        assert spy.weight.item() != 0.5
        expected = before + tau * (spy.weight.item() - before)
        assert target.weight.item() == pytest.approx(expected, rel=1e-6)
        assert not target.weight.requires_grad and target.weight.grad is None

    def test_starts_as_the_online_network_and_shares_nothing(self):
        predictor = everything()
        online, target = predictor.val_func, predictor.target_val_func
        for one, two in zip(online.parameters(), target.parameters(), strict=True):
            assert torch.equal(one, two) and one.data_ptr() != two.data_ptr()

    def test_follows_the_scale_of_the_values(self):
        predictor = everything(tau=0.0, value_lr=0.0, gamma=0.0)
        obs = torch.randn(20, O)
        learn(predictor)
        state, context = predictor.encode(obs)
        action = torch.zeros(20, 2)
        online = predictor.val_func(state, context, action)
        target = predictor.target_val_func(state, context, action)
        torch.testing.assert_close(online, target)


class TestStandardizedDensity:
    @pytest.fixture(params=[True, False])
    def predictor(self, request):
        predictor = everything(delta_standardizer=request.param)
        learn(predictor, n_steps=30)
        return predictor

    @pytest.fixture
    def inputs(self):
        g = torch.Generator().manual_seed(4)
        return tuple(torch.randn(6, dim, generator=g) for dim in (Z, C, 2, Z))

    @pytest.mark.parametrize(
        "std", [0.1, torch.tensor(0.7), torch.tensor([0.2, 0.5, 1.5])]
    )
    def test_is_that_of_the_mixture_of_standardised_means(self, predictor, inputs, std):
        state, context, action, next_state = inputs
        log_prob, term_prob, info = predictor.get_standardized_log_prob(*inputs, std)
        assert log_prob.shape == term_prob.shape == (6,)
        prediction = predictor.model.predict(state, context, action)
        matrix = getattr(predictor.delta_standardizer, "matrix", torch.eye(Z))
        delta = (next_state - state) @ matrix
        means = (prediction.mean - state[:, None, None]) @ matrix
        modes = Independent(
            Normal(means.flatten(1, 2), torch.as_tensor(std).expand(6, 4, Z)), 1
        )
        choice = Categorical(prediction.weights.flatten(1))  # normalises over members
        expected = MixtureSameFamily(choice, modes).log_prob(delta)
        torch.testing.assert_close(log_prob, expected, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(term_prob, prediction.term_prob.mean(1))
        torch.testing.assert_close(info["delta"], delta)
        torch.testing.assert_close(info["means"], means.flatten(1, 2))
        torch.testing.assert_close(info["weights"].sum(1), torch.ones(6))
        assert log_prob.dtype == torch.float32

    def test_does_not_overflow_far_away(self, predictor, inputs):
        state, context, action, _ = inputs
        far = torch.full((6, Z), 1e6)
        log_prob, *_ = predictor.get_standardized_log_prob(
            state, context, action, far, torch.tensor(1e-2)
        )
        assert log_prob.isfinite().all() and (log_prob < -1e6).all()

    def test_gradients_are_finite(self, predictor, inputs):
        inputs = [x.requires_grad_() for x in inputs]
        log_prob, *_ = predictor.get_standardized_log_prob(*inputs, torch.tensor(0.1))
        log_prob.sum().backward()
        assert all(x.grad.isfinite().all() for x in inputs)

    def test_whitens_replayed_changes(self):
        # Features in metres and micrometres, that move together.
        rng, buffer = np.random.default_rng(0), random_buffer(n_steps=15)
        noise = rng.normal(size=(60, 2)).astype(np.float32)
        delta = np.stack([noise[:, 0], 1e-6 * (noise[:, 0] + noise[:, 1])], axis=1)
        buffer.obs[:, :2] = 0.0
        buffer.obs_next[:, :2] = delta
        predictor = reward_predictor(
            O, encoder=_Plain((0, 1), ()), delta_standardizer_lr=3e-3
        )
        predictor.learn(buffer, 800, 4, 256, 0)
        predictor.learn(buffer, 100, 4, 4096, 0)
        standardized = predictor.delta_standardizer(torch.tensor(delta)).detach()
        covariance = torch.cov(standardized.T, correction=0)
        torch.testing.assert_close(covariance, torch.eye(2), atol=0.08, rtol=0)


class FakeWriter:
    def __init__(self):
        self.rows = []

    def add_scalar(self, name, value, step):
        self.rows.append((name, value, step))


class TestLogging:
    @pytest.mark.parametrize("log_interval", [1, 3])
    def test_every_interval_of_calls_is_written(self, log_interval):
        writer = FakeWriter()
        predictor = everything(writer=writer, log_interval=log_interval)
        infos = {}
        for call in range(1, 8):
            _, infos[10 * call] = learn(predictor, n_total_env_steps=10 * call)
        steps = sorted({step for _, _, step in writer.rows})
        assert steps == [10 * c for c in range(1, 8) if c % log_interval == 0]
        for name, value, step in writer.rows:
            room, _, key = name.partition("/")
            assert room == "predictor"
            assert value == infos[step][key].item() and type(value) is float
        assert {name for name, _, _ in writer.rows} == {
            f"predictor/{k}" for k in infos[30]
        }

    @pytest.mark.slow
    def test_reaches_tensorboard(self, tmp_path):
        from tensorboard.backend.event_processing.event_accumulator import (
            EventAccumulator,
        )
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(tmp_path) as writer:
            predictor = everything(writer=writer, log_interval=2)
            losses = [learn(predictor, n_total_env_steps=i)[0].item() for i in range(4)]
        events = EventAccumulator(str(tmp_path))
        events.Reload()
        written = events.Scalars("predictor/loss")
        assert [event.step for event in written] == [1, 3]
        assert [event.value for event in written] == pytest.approx(
            [losses[1], losses[3]]
        )


class TestState:
    @pytest.mark.parametrize("through_a_file", [True, False])
    @pytest.mark.parametrize("delta_standardizer", [True, False])
    def test_continues_identically(self, through_a_file, delta_standardizer, tmp_path):
        config = {"encoder_warm_up": 2, "delta_standardizer": delta_standardizer}
        predictor, buffer = everything(**config), random_buffer(n_steps=14)
        for _ in range(4):
            learn(predictor, buffer, n_steps=2)
        saved = {
            "weights": predictor.state_dict(),
            "training": predictor.training_state(),
            "buffer": buffer.state_dict(),
        }
        if through_a_file:
            save_checkpoint(tmp_path / "file", "predictor", saved)
            saved = load_checkpoint(tmp_path / "file", "predictor")
        loaded, other_buffer = everything(seed=7, **config), random_buffer(seed=7)
        loaded.load_state_dict(saved["weights"])
        loaded.load_training_state(saved["training"])
        other_buffer.load_state_dict(saved["buffer"])
        assert_same_state(predictor, loaded)
        for _ in range(3):
            one, _ = learn(predictor, buffer, n_steps=2, n_total_env_steps=5)
            two, _ = learn(loaded, other_buffer, n_steps=2, n_total_env_steps=5)
            assert torch.equal(one, two)
        assert_same_state(predictor, loaded)

    def test_training_state_is_a_copy(self):
        predictor = everything()
        learn(predictor)
        state = predictor.training_state()
        kept = copy.deepcopy(state)
        loaded = everything()
        loaded.load_training_state(state)
        for other in (predictor, loaded):
            learn(other, n_steps=2)
        for name in state:
            for index, moments in kept[name]["state"].items():
                for key, value in moments.items():
                    assert torch.equal(value, state[name]["state"][index][key])

    def test_a_copy_learns_on_its_own(self):
        predictor = everything()
        learn(predictor)
        copied = copy.deepcopy(predictor)
        before = weights(predictor)
        learn(copied)
        assert not changed(before, weights(predictor))
        assert changed(before, weights(copied)) == set(GROUPS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"gamma": 1.5},
        {"tau": -0.1},
        {"k_steps": 0},
        {"n_steps": 0},
        {"clip_grad_max_norm": 0.0},
    ],
)
def test_impossible_numbers_are_named(wrong):
    with pytest.raises(ConfigurationError, match=str(next(iter(wrong.values())))):
        reward_predictor(O, **wrong)


def test_plain_functions_are_measured_in_their_own_units():
    predictor = reward_predictor(O, rew_func=lambda s, c, a: s[..., 0])
    assert isinstance(predictor.rew_func, PlainFunction)
    learn(predictor)
    assert predictor.rew_func.output_scale.item() == 1.0
