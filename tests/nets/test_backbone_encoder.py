"""What the contract of encoders does not say of backbones."""

import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, ShapeError, SpaceError
from layeredrl.nets.cnn import GridworldCNN
from layeredrl.nets.mamba_traj_encoder import MambaHiddenState
from tests.nets.backbones import (
    BOX,
    CHOICE,
    FF,
    GRU,
    MAX_SEQ_LEN,
    NESTED,
    SIGHT,
    STEP,
    TRAJ_ENCODERS,
    TRANSFORMER,
    WITH_MEMORY,
    backbone,
    pictures,
    seeing,
)
from tests.nets.encoder_contract import EncoderCase, build, sequences, story
from tests.toys import unbounded


def case(**kwargs):
    return EncoderCase(lambda: backbone(**kwargs))


# What it remembers


@pytest.mark.parametrize("traj", WITH_MEMORY.values(), ids=WITH_MEMORY)
def test_the_last_latents_know_all_that_was_seen_done_and_paid(traj):
    encoder, told = build(case(traj=traj)), story(case())
    for value in told.values():
        value.requires_grad_()
    state, context = sequences(encoder, told)
    for latent in (state, context):
        for value in told.values():
            value.grad = None
        latent[:, -1].square().sum().backward(retain_graph=True)
        for value in told.values():
            assert value.grad.view(*value.shape[:2], -1).any(-1).all()


@pytest.mark.parametrize("traj", [FF, None], ids=["ff", "none"])
def test_without_memory_the_last_latents_know_no_earlier_step(traj):
    encoder, told = build(case(traj=traj)), story(case())
    for value in told.values():
        value.requires_grad_()
    sequences(encoder, told)[0][:, -1].sum().backward()
    assert told.obs.grad[:, -1].any() and not told.obs.grad[:, :-1].any()
    # The action before is told to those who learn from windows; else it is not known.
    for value in (told.actions, told.rewards):
        assert (value.grad is not None and value.grad[:, -1].any()) == (traj is FF)


def test_the_transformer_knows_the_time():
    encoder, told = build(case(traj=TRANSFORMER)), story(case())
    later = told._replace(times=told.times + 3)
    for x, y in zip(sequences(encoder, told), sequences(encoder, later), strict=True):
        assert not torch.allclose(x, y, atol=1e-3)


def test_only_memory_needs_windows():
    lengths = {name: backbone(traj=t).max_seq_len for name, t in TRAJ_ENCODERS.items()}
    assert lengths.pop("none") is None
    assert set(lengths.values()) == {MAX_SEQ_LEN}


def test_the_trajectory_encoder_is_told_its_sizes():
    given = []

    def spy(tstep_dim, max_seq_len):
        given.append((tstep_dim, max_seq_len))
        return GRU(tstep_dim, max_seq_len)

    encoder = backbone(traj=spy, max_seq_len=11)
    assert given == [(8, 11)] and encoder.max_seq_len == 11
    assert isinstance(
        backbone(traj=TRAJ_ENCODERS["mamba"]).init_memory(2, "cpu"), MambaHiddenState
    )


# What latents are made of


def test_named_parts_come_first_as_they_are():
    encoder = backbone(
        NESTED, state_keys=("place",), context_keys=("goal.light", "goal.kettle")
    )
    obs = torch.randn(5, 5)  # kettle 2, light 1, place 2
    state, context = encoder(obs)
    assert state.shape == (5, 5) and context.shape == (5, 5)
    assert torch.equal(state[:, :2], obs[:, 3:])
    assert torch.equal(context[:, :3], obs[:, [2, 0, 1]])


def test_columns_alone_need_no_head():
    encoder = backbone(
        state_keys=("",), n_state_features=0, n_context_features=0, traj=FF
    )
    obs = torch.randn(4, 3)
    state, context = encoder(obs)
    assert torch.equal(state, obs) and context.shape == (4, 0)
    assert not [name for name, _ in encoder.named_parameters() if "head" in name]


def test_pictures_beside_vectors():
    encoder = backbone(SIGHT, step=STEP, state_keys=("state",), traj=None)
    obs = {
        "vector": torch.randn(6, 2),
        "camera": torch.randint(0, 256, (6, 8, 8, 3), dtype=torch.uint8),
    }
    state, context = encoder(obs)
    assert torch.equal(state[:, :2], obs["vector"])
    darker = {**obs, "camera": obs["camera"] // 2}
    assert not torch.allclose(encoder(darker)[1], context)


# How it learns


@pytest.mark.parametrize("name", TRAJ_ENCODERS)
@pytest.mark.parametrize("sees", [False, True], ids=["vectors", "pixels"])
def test_gradients_reach_every_parameter(name, sees):
    hides = name == "none"
    space = pictures(5) if sees else unbounded(3)
    step = seeing(GridworldCNN) if sees else STEP
    shape = {"vector": (0,), "observation": (5, 5, 3)} if sees else (3,)
    one = EncoderCase(
        lambda: backbone(space, step=step, traj=TRAJ_ENCODERS[name]), shape
    )
    encoder, told = build(one).train(), story(one)
    state, context = sequences(encoder, told)
    (state.square().sum() + context.square().sum()).backward()
    for where, parameter in encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), where
        if not (hides and where == "tstep_encoder.rl2_features.weight"):
            assert parameter.grad.any(), where


def test_statistics_of_inputs_follow_valid_steps_only():
    encoder, told = build(case()).train(), story(case())
    mask = torch.zeros(told.rewards.shape, dtype=torch.bool)
    before = encoder.tstep_encoder.in_norm.mu.clone()
    sequences(encoder, told, mask)
    assert torch.equal(encoder.tstep_encoder.in_norm.mu, before)
    mask[0, :2] = True
    sequences(encoder, told, mask)
    assert not torch.equal(encoder.tstep_encoder.in_norm.mu, before)


def test_pictures_are_centered_on_what_was_observed():
    space = pictures(4)
    kwargs = {"step": seeing(GridworldCNN), "traj": None}
    torch.manual_seed(0)
    encoder = backbone(space, **kwargs)
    torch.manual_seed(0)
    plain = backbone(space, center_images=False, **kwargs)
    plain.load_state_dict(
        {k: v for k, v in encoder.state_dict().items() if not k.startswith("images.")}
    )
    bright = torch.randint(200, 210, (8, 4, 4, 3), dtype=torch.uint8)
    obs = {"vector": torch.zeros(8, 0), "observation": bright}
    before = encoder(obs)[0]
    for x in (encoder, plain):
        x.observe(obs, obs)
    torch.testing.assert_close(before, plain(obs)[0])
    state, _ = encoder(obs)
    assert state.std(0).mean() > 5 * before.std(0).mean()


def test_half_precision():
    one = case(traj=TRANSFORMER)
    encoder, told = build(one), story(one)
    expected = sequences(encoder, told)
    with torch.autocast("cpu", torch.bfloat16):
        latents = sequences(encoder, told)
    for x, y in zip(latents, expected, strict=True):
        torch.testing.assert_close(x.float(), y, atol=0.15, rtol=0.1)


# What is refused


@pytest.mark.parametrize(
    "kwargs, error, message",
    [
        ({"n_state_features": 0}, ConfigurationError, "latent state would be empty"),
        ({"n_state_features": -1}, ConfigurationError, "-1"),
        ({"n_context_features": -2}, ConfigurationError, "-2"),
        ({"max_seq_len": 2}, ConfigurationError, "at least 3"),
        ({"state_keys": ("there",)}, SpaceError, "'there'"),
        ({"context_keys": ("there",)}, SpaceError, "'there'"),
        ({"space": SIGHT, "state_keys": ("camera",)}, SpaceError, "with images"),
        ({"actions": spaces.MultiDiscrete([2, 3])}, SpaceError, "MultiDiscrete"),
        ({"step": seeing(GridworldCNN)}, SpaceError, "rank 3"),
    ],
)
def test_mistakes_are_named(kwargs, error, message):
    with pytest.raises(error, match=message):
        backbone(**kwargs)


def test_actions_of_another_level_are_refused():
    encoder = backbone(actions=CHOICE)
    memory = encoder.init_memory(4, "cpu")
    obs, time = torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(ShapeError, match="3 features, the level's have 2"):
        encoder.step(obs, torch.zeros(4, *BOX.shape), torch.zeros(4), time, memory)
