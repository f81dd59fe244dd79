"""What every memoryless encoder does."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from layeredrl.errors import SpaceError
from layeredrl.nets import EncoderNet, FixedEncoderNet, IdentityEncoder, PlainEncoder

ENCODERS = {
    "identity": lambda: IdentityEncoder((5,)),
    "fixed": lambda: FixedEncoderNet((5,), (3, 0), (1,)),
    "fixed without context": lambda: FixedEncoderNet((5,), (0,), ()),
    "learned": lambda: EncoderNet((5,), 3, 2, hidden_sizes=(8,)),
    "learned without context": lambda: EncoderNet((5,), 3, 0, hidden_sizes=(8,)),
    "plain": lambda: PlainEncoder(lambda obs: (obs[..., :2], obs[..., 2:]), 2, 3),
}


@pytest.fixture(params=ENCODERS, ids=str)
def encoder(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ENCODERS[request.param]()


@pytest.mark.parametrize("lead", [(), (4,), (4, 6), (0,)])
def test_shapes(encoder, lead):
    state, context = encoder(torch.randn(*lead, 5))
    assert state.shape == (*lead, encoder.latent_state_dim)
    assert context.shape == (*lead, encoder.context_dim)


def test_rows_do_not_mix(encoder, generator):
    obs = torch.randn(6, 5, generator=generator)
    together = encoder(obs)
    for row in range(6):
        for whole, alone in zip(together, encoder(obs[row]), strict=True):
            torch.testing.assert_close(whole[row], alone)


def test_memory_is_nothing_and_stays_nothing(encoder):
    memory = encoder.init_memory(4, "cpu")
    assert memory is None
    instances = np.array([2, 0])
    memory = encoder.reset_memory(memory, np.array([True, False, False, True]))
    part = encoder.gather_memory(memory, instances)
    assert encoder.scatter_memory(memory, instances, part) is None
    state = encoder.memory_state(memory)
    assert encoder.load_memory_state(state, "cpu") is None


def test_steps_and_sequences_agree_with_forward(encoder, generator):
    obs = torch.randn(3, 4, 5, generator=generator)
    actions = torch.randn(3, 4, 2, generator=generator)
    rewards = torch.randn(3, 4, generator=generator)
    times = torch.arange(4).expand(3, 4)
    states, contexts = encoder.sequence(obs, actions, rewards, times, torch.ones(3, 4))
    memory = encoder.init_memory(3, "cpu")
    for t in range(4):
        state, context, memory = encoder.step(
            obs[:, t], actions[:, t], rewards[:, t], times[:, t], memory
        )
        torch.testing.assert_close(state, states[:, t])
        torch.testing.assert_close(context, contexts[:, t])
        torch.testing.assert_close(state, encoder(obs[:, t])[0])


def test_watching_data_is_legal(encoder, generator):
    obs = torch.randn(3, 5, generator=generator)
    encoder.observe(obs, obs + 1.0)
    assert encoder(obs)[0].isfinite().all()


@pytest.mark.parametrize(
    "build",
    [
        IdentityEncoder,
        partial(FixedEncoderNet, latent_state_dims=(0,), context_dims=()),
        partial(EncoderNet, latent_state_dim=1, context_dim=0),
    ],
)
@pytest.mark.parametrize("shape", [(), (3, 3), {"vector": (3,), "camera": (4, 4, 3)}])
def test_only_flat_observations_are_taken(build, shape):
    with pytest.raises(SpaceError, match="flat observations"):
        build(shape)


def test_plain_encoders_register_modules():
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(5, 4)

        def forward(self, obs):
            return self.linear(obs).split((3, 1), dim=-1)

    assert len(list(PlainEncoder(Halves(), 3, 1).parameters())) == 2
