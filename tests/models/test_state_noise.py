"""Learning from states beside those that were seen."""

import pytest
import torch

from layeredrl.types import LatentTransitions
from tests.models.test_probabilistic_ensemble import fit
from tests.toys import WIDER_NET, ensemble, random_buffer, reward_predictor

WIDTH = 5


def line(n, generator):
    """Somebody who walks along y = 0, which alone there are data of."""
    state = torch.zeros(n, 2)
    state[:, 0] = torch.rand(n, generator=generator) * 4 - 2
    action = torch.rand(n, 2, generator=generator) * 2 - 1
    following = state.clone()
    following[:, 0] += action[:, 0]
    return LatentTransitions(
        state, torch.zeros(n, 0), action, following, torch.zeros(n), torch.ones(n)
    )


def test_noise_has_the_scale_of_changes_and_its_own_generator():
    model = ensemble(2, 0, state_noise=0.5)
    batch = line(500, torch.Generator().manual_seed(0))
    model.observe(batch, 1)
    draws = [
        model.disturbed(batch.state, torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    ]
    torch.testing.assert_close(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    spread = (draws[0] - batch.state).std(0)
    expected = 0.5 * model.delta_normalizer.std
    torch.testing.assert_close(spread, expected, rtol=0.1, atol=0)


def test_without_noise_states_stay_as_they_are():
    state = torch.randn(4, 2)
    assert ensemble(2, 0).disturbed(state, None) is state


@pytest.mark.learning
def test_noise_teaches_to_lead_back_to_the_data():
    """A rollout that starts off the line comes back; without noise it stays away."""
    offsets = {}
    for noise in (0.0, 0.4):
        generator = torch.Generator().manual_seed(0)
        model = ensemble(2, 0, net=WIDER_NET, state_noise=noise)
        batches = []
        for _ in range(400):
            batch = line(128, generator)
            model.observe(batch, 1)
            state = model.disturbed(batch.state, generator)
            batches.append(batch._replace(state=state))
        fit(model, batches)
        beside = torch.tensor([[0.0, 0.15], [0.5, -0.15]])
        actions = torch.zeros(2, 4, 2)
        rollout = model.rollout(beside, torch.zeros(2, 0), actions, True)
        offsets[noise] = rollout.state[:, 0, 0, -1, 1].abs().max().item()
    assert offsets[0.4] < 0.05 < offsets[0.0]


def test_predictors_learn_from_disturbed_states_with_their_generator():
    """Noise changes what is learned; equal generators make equal predictors."""

    def learned(noise, seed):
        predictor = reward_predictor(WIDTH, model=ensemble(WIDTH, 0, state_noise=noise))
        predictor.generator = torch.Generator().manual_seed(seed)
        predictor.learn(random_buffer(n_steps=14), 3, 16, 16, 0)
        return torch.cat([x.flatten() for x in predictor.model.parameters()])

    noisy, same, other, plain = (
        learned(*case) for case in ((0.3, 0), (0.3, 0), (0.3, 1), (0.0, 0))
    )
    torch.testing.assert_close(noisy, same, rtol=0, atol=0)
    assert not torch.equal(noisy, other) and not torch.equal(noisy, plain)
