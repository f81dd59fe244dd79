import torch

from layeredrl.nets import IdentityEncoder


def test_the_observation_is_the_state():
    encoder = IdentityEncoder((4,), device="cpu")
    obs = torch.randn(3, 4)
    state, context = encoder(obs)
    assert state is obs and context.shape == (3, 0)
    assert (encoder.latent_state_dim, encoder.context_dim) == (4, 0)
    assert not list(encoder.parameters())
