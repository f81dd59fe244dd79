import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.nets import EncoderNet

CHANGING, CONSTANT = [0, 2], [1, 3]


@pytest.fixture
def encoder(generator):
    """Has seen columns 0 and 2 change within episodes, 1 and 3 only between them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = EncoderNet((4,), 3, 2, hidden_sizes=(16,))
    obs = torch.randn(50, 4, generator=generator)
    following = obs.clone()
    following[:25, 0] += torch.randn(25, generator=generator)
    encoder.observe(obs, following)
    following = obs.clone()
    following[7, 2] += 0.01  # one change in one transition is enough
    encoder.observe(obs, following)
    return encoder


def outputs(encoder, column):
    obs = torch.randn(8, 4, generator=torch.Generator().manual_seed(3))
    changed = obs.clone()
    changed[:, column] += 1.0
    return zip(encoder(obs), encoder(changed), strict=True)


@pytest.mark.parametrize("column", CONSTANT)
def test_what_never_changes_reaches_the_context_only(encoder, column):
    (state, changed_state), (context, changed_context) = outputs(encoder, column)
    torch.testing.assert_close(state, changed_state, rtol=0, atol=0)
    assert (context != changed_context).any(-1).all()


@pytest.mark.parametrize("column", CHANGING)
def test_what_changes_reaches_the_state_only(encoder, column):
    (state, changed_state), (context, changed_context) = outputs(encoder, column)
    torch.testing.assert_close(context, changed_context, rtol=0, atol=0)
    assert (state != changed_state).any(-1).all()


def test_the_context_is_constant_within_an_episode(encoder, generator):
    episode = torch.randn(4, generator=generator).repeat(20, 1)
    episode[:, CHANGING] = torch.randn(20, 2, generator=generator)
    state, context = encoder(episode)
    assert (context == context[0]).all()
    assert (state != state[0]).any()


@pytest.mark.parametrize("column", range(4))
def test_before_data_everything_feeds_both(column):
    encoder = EncoderNet((4,), 3, 2, hidden_sizes=(16,))
    for before, after in outputs(encoder, column):
        assert (before != after).any(-1).all()


def test_what_changed_once_stays_changing(encoder, generator):
    obs = torch.randn(10, 4, generator=generator)
    encoder.observe(obs, obs)
    assert encoder.changes.tolist() == [True, False, True, False]


def test_scales_of_observations_are_followed(generator):
    encoder = EncoderNet((2,), 2, 0, hidden_sizes=(8,))
    obs = torch.randn(500, 2, generator=generator) * torch.tensor([1e-3, 1e4]) + 5.0
    encoder.observe(obs, obs + 1.0)
    normalized = encoder.normalizer.normalize(obs)
    torch.testing.assert_close(
        normalized.std(0, unbiased=False), torch.ones(2), atol=1e-2, rtol=0
    )


def test_statistics_are_saved(encoder):
    loaded = EncoderNet((4,), 3, 2, hidden_sizes=(16,))
    loaded.load_state_dict(encoder.state_dict())
    obs = torch.randn(5, 4)
    for one, two in zip(encoder(obs), loaded(obs), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_gradients_reach_both_networks(encoder):
    state, context = encoder(torch.randn(5, 4))
    (state.sum() + context.sum()).backward()
    assert all(p.grad is not None for p in encoder.parameters())


@pytest.mark.parametrize("dims", [(0, 1), (2, -1)])
def test_impossible_sizes_are_refused(dims):
    with pytest.raises(ConfigurationError, match="positive"):
        EncoderNet((4,), *dims)
