"""The building blocks of TD-MPC2."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from layeredrl.learners.tdmpc2.layers import MemberMLP, SimNorm, normed_mlp
from layeredrl.learners.tdmpc2.policy import PolicyPrior
from layeredrl.learners.tdmpc2.running_scale import RunningScale
from layeredrl.learners.tdmpc2.two_hot import TwoHot


def randomised(module, generator):
    for parameter in module.parameters():
        parameter.data.normal_(generator=generator)
    return module


@pytest.mark.parametrize("shape", [(12,), (5, 12), (2, 3, 12)])
def test_simplices_sum_to_one(shape, generator):
    y = SimNorm(4)(3.0 * torch.randn(shape, generator=generator))
    assert y.shape == shape and (y >= 0).all()
    torch.testing.assert_close(
        y.reshape(-1, 4, 3).sum(1), torch.ones(y.numel() // 12, 3)
    )


def test_latent_networks_end_in_simplices(generator):
    net = randomised(normed_mlp(3, (8,), 8, 4), generator)
    y = net(torch.randn(6, 3, generator=generator))
    torch.testing.assert_close(y.sum(-1), torch.full((6,), 2.0))


def test_members_are_separate_networks_in_one(generator):
    net = randomised(MemberMLP(3, 4, (6, 5), 2), generator)
    x = torch.randn(2, 7, 4, generator=generator)
    together = net(x)
    assert together.shape == (3, 2, 7, 2)
    for member in range(3):
        y = x
        for layer, norm in zip(net._layers, net._norms, strict=True):
            y = y @ layer.weight[member] + layer.bias[member]
            y = functional.layer_norm(y, y.shape[-1:])
            y = functional.silu(y * norm.gain[member] + norm.bias[member])
        y = y @ net._last.weight[member] + net._last.bias[member]
        torch.testing.assert_close(together[member], y)
    chosen = torch.tensor([2, 0])
    torch.testing.assert_close(net(x, chosen), together[chosen])


def test_members_start_at_zero_but_apart():
    net = MemberMLP(2, 3, (4,), 5)
    assert (net(torch.ones(3)) == 0).all()
    weight = net._layers[0].weight
    assert (weight[0] != weight[1]).all()


def test_two_hot_starts_at_zero_and_decodes_what_it_learned(generator):
    two_hot = TwoHot(101, -10.0, 10.0)
    torch.testing.assert_close(two_hot.decode(torch.zeros(101)), torch.tensor(0.0))
    for number in (-5000.0, -1.0, -0.013, 0.0, 0.4, 7.0, 20000.0):
        logits = torch.zeros(101, requires_grad=True)
        adam = torch.optim.Adam([logits], 0.3)
        for _ in range(150):
            adam.zero_grad()
            two_hot.loss(logits, torch.tensor(number)).backward()
            adam.step()
        decoded = two_hot.decode(logits.detach())
        torch.testing.assert_close(decoded, torch.tensor(number), rtol=0.02, atol=0.02)


def test_two_hot_loss_is_the_cross_entropy_with_its_labels(generator):
    two_hot = TwoHot(5, -2.0, 2.0)  # bins at -2, -1, 0, 1, 2 in symlog
    logits = torch.randn(3, 4, 5, generator=generator)
    places = torch.tensor([-9.0, -1.0, 0.25, 9.0])
    number = places.sign() * (places.abs().exp() - 1.0)
    labels = torch.tensor(
        [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0.75, 0.25, 0], [0, 0, 0, 0, 1]]
    )
    expected = -(labels * logits.log_softmax(-1)).sum(-1)
    torch.testing.assert_close(two_hot.loss(logits, number), expected)


def test_two_hot_says_when_a_target_is_no_number():
    loss = TwoHot(5, -2.0, 2.0).loss(torch.zeros(2, 5), torch.tensor([torch.nan, 1.0]))
    assert loss.isnan().tolist() == [True, False]


def test_policy_density_integrates_to_one(generator):
    policy = PolicyPrior(3, (8,), 1)
    x = torch.randn(3, generator=generator).expand(20_000, 3)
    with torch.no_grad():
        action, surprise = policy.sample(x, generator)
    # Where there are samples, the mean of 1 / density is the size of the place.
    edges = np.linspace(-0.99, 0.99, 61)
    which = np.digitize(action.squeeze(-1).numpy(), edges)
    inverse = surprise.double().exp().numpy() / len(which)
    crowded = [i for i in range(1, 61) if (which == i).sum() > 500]
    assert len(crowded) > 5
    for i in crowded:
        width = edges[i] - edges[i - 1]
        assert inverse[which == i].sum() == pytest.approx(width, rel=0.15)


def test_policy_noise_has_a_floor_and_no_noise_is_best(generator):
    policy = PolicyPrior(3, (8,), 2)
    x = torch.randn(5, 3, generator=generator)
    best = policy.best(x)
    torch.testing.assert_close(policy.perturbed(x, torch.zeros(5, 2)), best)
    far = policy.perturbed(x, torch.ones(5, 2), min_std=50.0)
    assert (far == 1.0).all() and (best.abs() < 1.0).all()


def test_running_scale_follows_the_percentiles():
    scale = RunningScale(0.5)
    values = torch.linspace(0.0, 100.0, 101)
    for expected in (45.5, 67.75):
        scale.update(values)
        assert float(scale.value) == pytest.approx(expected)
    for _ in range(50):
        scale.update(torch.zeros(4))
    assert float(scale.value) == pytest.approx(1.0)
