import pytest
import torch

from layeredrl.predictors import distinct_particles, rewarded_rollout
from layeredrl.predictors.rewarded_rollout import rollout_rewards
from layeredrl.types import LatentRollout


def reward(state, context, action, next_state):
    return (
        state[..., 0] + 10 * next_state[..., 0] + 100 * context[..., 0] + action[..., 0]
    )


@pytest.mark.parametrize("cached_rows", [1, 50, 10**6])
def test_rewards_do_not_depend_on_the_blocks(cached_rows, generator, monkeypatch):
    monkeypatch.setattr(rewarded_rollout, "CACHED_ROWS", cached_rows)
    states = torch.randn(3, 2, 4, 6, 1, generator=generator)
    context = torch.randn(3, 1, generator=generator)
    act = torch.randn(3, 5, 1, generator=generator)
    rollout = LatentRollout(states, torch.zeros(3, 2, 4, 5))
    found = rollout_rewards(reward, rollout, context, act)
    lead = (3, 2, 4, 5)
    expected = (
        states[..., :-1, 0]
        + 10 * states[..., 1:, 0]
        + 100 * context[:, None, None, :].expand(*lead)
        + act[:, None, None, :, 0].expand(*lead)
    )
    torch.testing.assert_close(found, expected)


def test_particles_that_coincide_are_evaluated_once(generator):
    states = torch.randn(3, 2, 1, 6, 1, generator=generator).expand(-1, -1, 4, -1, -1)
    seen = []

    def spy(state, context, action, next_state):
        seen.append(state.shape[:-1].numel())
        return state[..., 0]

    rollout = LatentRollout(states, torch.zeros(3, 2, 4, 5))
    found = rollout_rewards(spy, rollout, torch.zeros(3, 0), torch.zeros(3, 5, 1))
    assert seen == [3 * 2 * 5]
    assert found.shape == (3, 2, 4, 5) and found.stride(2) == 0


def test_particles_are_told_apart_by_their_memory():
    one = torch.randn(2, 3, 1, 4)
    assert distinct_particles(one.expand(-1, -1, 5, -1)).shape == (2, 3, 1, 4)
    assert distinct_particles(one.repeat(1, 1, 5, 1)).shape == (2, 3, 5, 4)
    assert distinct_particles(one).shape == one.shape
