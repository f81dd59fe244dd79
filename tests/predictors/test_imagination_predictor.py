"""What an encoder learns through imagined trajectories."""

import pytest
import torch
from torch import nn

from layeredrl.errors import ConfigurationError
from layeredrl.nets import Encoder, RewardNet
from layeredrl.predictors import ImaginationPredictor
from tests.toys import Filler, ensemble, make_buffer, random_buffer

OBS_DIM, ROWS = 5, 32


class Linear(Encoder):
    """A learned state; the first column is the context."""

    def __init__(self):
        super().__init__()
        self.latent_state_dim, self.context_dim = 3, 1
        self.map = nn.Linear(OBS_DIM, 3)
        self.n_encoded = 0

    def forward(self, obs):
        self.n_encoded += obs.shape[:-1].numel()
        return self.map(obs), obs[..., :1]


def build(**kwargs):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ensemble(3, 1, n_models=2, n_modes=2)
        rew_func = RewardNet(3, 1, 2, hidden_sizes=(16,))
        kwargs = {"encoder_warm_up": 0, "imagination_steps": 4} | kwargs
        return ImaginationPredictor(model, None, rew_func, Linear(), 3, 1, **kwargs)


def batches(predictor, buffer=None, k_steps=2, n_steps=1):
    buffer = buffer or random_buffer("ours", 14)
    batch = predictor.compute_targets(buffer, ROWS, k_steps, n_steps)
    return batch, predictor.sample_model_batch(buffer, ROWS)


def imagined_errors(predictor, batch):
    """Errors of rewards and states per stretch and step, one step at a time."""
    rewards, states = [], []
    n_steps = batch.imagined.rew.shape[1]
    for member in range(2):
        state = batch.state[:, 0]
        for t in range(n_steps):
            action = batch.imagined.act[:, t]
            prediction = predictor.model.predict(state, batch.contexts, action)
            weights = prediction.weights[:, member].unsqueeze(-1)
            reward = predictor.rew_func(state, batch.contexts, action)
            rewards.append((reward - batch.imagined.rew[:, t]).square())
            state = (weights * prediction.mean[:, member]).sum(1)
            states.append(state)
    shape = (2, n_steps, ROWS)
    return torch.stack(rewards).view(shape), torch.stack(states).view(*shape, 3)


def test_losses_are_those_of_imagining_step_by_step():
    predictor = build(k_steps=2)
    batch, model_batch = batches(predictor)
    _, metrics = predictor.loss(batch, model_batch)
    rewards, states = imagined_errors(predictor, batch)
    mask = batch.imagined.validity_mask
    assert (mask.sum(1) < 4).any() and batch.imagined.rew.shape == (ROWS, 4)
    scale = predictor.rew_func.output_scale
    expected = (rewards.mean(0).T / scale**2 * mask).sum() / mask.sum()
    torch.testing.assert_close(metrics["imagined_rew_loss"], expected)
    spread = batch.next_state.flatten(0, 1).std(0)
    error = (states[:, :3].transpose(1, 2) - batch.next_state) / spread
    mask = batch.validity_mask
    expected = (error.square().mean((0, 3)) * mask).sum() / mask.sum()
    torch.testing.assert_close(metrics["imagined_state_loss"], expected)


def test_the_loss_is_the_base_loss_and_the_weighted_terms():
    predictor = build(imagined_rew_loss_weight=2.0, imagined_state_loss_weight=0.3)
    batch, model_batch = batches(predictor)
    loss, metrics = predictor.loss(batch, model_batch)
    base, _ = super(ImaginationPredictor, predictor).loss(batch, model_batch)
    extra = 2.0 * metrics["imagined_rew_loss"] + 0.3 * metrics["imagined_state_loss"]
    torch.testing.assert_close(loss, base + extra)
    torch.testing.assert_close(metrics["loss"], loss.detach())


def encoder_gradient(predictor, batch, model_batch):
    predictor.zero_grad()
    predictor.loss(batch, model_batch)[0].backward(retain_graph=True)
    gradient = predictor.encoder.map.weight.grad
    return torch.zeros(3, OBS_DIM) if gradient is None else gradient.clone()


def test_later_rewards_teach_the_encoder():
    predictor = build(imagined_state_loss_weight=0.0, rew_loss_weight=0.0)
    batch, model_batch = batches(predictor)
    before = encoder_gradient(predictor, batch, model_batch)
    batch.imagined.rew[:, 3] += 1.0
    assert not torch.equal(before, encoder_gradient(predictor, batch, model_batch))
    predictor = build(
        imagined_state_loss_weight=0.0,
        rew_loss_weight=0.0,
        imagined_rew_loss_weight=0.0,
    )
    assert not encoder_gradient(predictor, *batches(predictor)).any()


def test_imagined_states_move_towards_encoded_ones_and_not_the_other_way():
    predictor = build(
        imagined_rew_loss_weight=0.0, rew_loss_weight=0.0, imagination_steps=1
    )
    batch, model_batch = batches(predictor)
    batch.next_state.retain_grad()
    batch.state.retain_grad()
    predictor.loss(batch, model_batch)[0].backward()
    assert batch.state.grad[:, 0].any()
    assert batch.next_state.grad is None or not batch.next_state.grad.any()


@pytest.mark.parametrize(("steps", "shown"), [(1, 3), (4, 4), (9, 9)])
def test_only_what_the_reward_needs_is_encoded(steps, shown):
    predictor = build(imagination_steps=steps)
    buffer = Filler(make_buffer("ours", 120, 4), 0).add(30)
    batch = predictor.compute_targets(buffer, ROWS, 2, 1)
    assert predictor.encoder.n_encoded == ROWS * 4
    assert batch.state.shape == (ROWS, 3, 3) and batch.indices.shape == (3, ROWS)
    assert batch.traj_len.max() == 3
    assert batch.imagined.rew.shape == (ROWS, steps)
    valid = batch.imagined.validity_mask
    assert valid[:, : min(3, steps)].equal(batch.validity_mask[:, : min(3, steps)])
    n_common = min(3, steps)
    torch.testing.assert_close(
        batch.imagined.rew[:, :n_common], batch.rew[:, :n_common]
    )


def test_nothing_is_imagined_while_the_encoder_warms_up():
    predictor = build(encoder_warm_up=2)
    buffer = random_buffer("ours", 14)
    assert "imagined_rew_loss" not in predictor.learn(buffer, 1, 8, 8, 0)[1]
    predictor.learn(buffer, 1, 8, 8, 0)
    assert "imagined_rew_loss" in predictor.learn(buffer, 1, 8, 8, 0)[1]


def test_a_single_row_has_no_spread_and_a_finite_loss():
    predictor = build(imagination_steps=1)
    predictor.learn(random_buffer("ours", 14), 2, 1, 1, 0)
    assert all(p.isfinite().all() for p in predictor.parameters())


def test_imagining_no_step_is_refused():
    with pytest.raises(ConfigurationError, match="imagination_steps"):
        build(imagination_steps=0)
