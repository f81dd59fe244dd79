"""What every encoder must do, with memory or without, as functions that take a case.

For your own encoder::

    CASE = EncoderCase(build=lambda: MyEncoder((3,)), obs_shape=(3,))

    @pytest.mark.parametrize("check", CONTRACT)
    def test_my_encoder(check):
        check(CASE)
"""

import copy
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from layeredrl.nets import Encoder
from layeredrl.nets.encoder import TensorObservation
from layeredrl.utils.action_sampling import sample_features
from layeredrl.utils.observation_maps import Shape

BATCH, LENGTH = 4, 6
CPU = torch.device("cpu")
TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}


@dataclass(frozen=True)
class EncoderCase:
    """An encoder, and what the contract must know of it."""

    build: Callable[[], Encoder]
    """Builds it anew at every call; a ``max_seq_len`` of at least 6, or ``None``."""
    obs_shape: Shape = (3,)
    """What it sees, (O,), or a dict with the shapes of images beside the vector."""
    action_space: spaces.Space = field(
        default_factory=lambda: spaces.Box(-1.0, 1.0, (2,), np.float32)
    )
    """Actions of the level that it encodes for."""


class Story(NamedTuple):
    """Episodes from their start, as a level lives through them.

    Attributes:
        obs: Observations (B, T, O), or a dict of such.
        actions: Features of the action before each, 0 at the start, (B, T, A).
        rewards: Rewards of those actions, (B, T).
        times: Decisions since the start, (B, T) int64.
    """

    obs: TensorObservation
    actions: Tensor
    rewards: Tensor
    times: Tensor

    def at(self, *where: Any) -> "Story":
        """Index every field, the parts of a dict too."""
        if isinstance(self.obs, dict):
            obs: TensorObservation = {k: v[where] for k, v in self.obs.items()}
        else:
            obs = self.obs[where]
        return Story(obs, *(field[where] for field in self[1:]))

    def with_other(self, where: Any, other: "Story") -> "Story":
        """Replace a part of what is observed and told by that of another story."""
        mixed = copy.deepcopy(self)
        for mine, others in zip(mixed.values(), other.values(), strict=True):
            mine[where] = others[where]
        return mixed

    def values(self) -> list[Tensor]:
        """List what is observed and told; not the times."""
        return [*_parts(self.obs).values(), self.actions, self.rewards]


def _parts(obs: TensorObservation) -> dict[str, Tensor]:
    return obs if isinstance(obs, dict) else {"": obs}


def story(case: EncoderCase, seed: int = 0, batch: int = BATCH) -> Story:
    """Make up episodes of LENGTH decisions."""
    rng = np.random.default_rng(seed)
    lead = (batch, LENGTH)
    shapes = (
        case.obs_shape if isinstance(case.obs_shape, dict) else {"": case.obs_shape}
    )
    obs = {
        key: torch.from_numpy(
            rng.normal(size=lead + shape).astype(np.float32)
            if len(shape) == 1
            else rng.integers(0, 256, lead + shape).astype(np.uint8)
        )
        for key, shape in shapes.items()
    }
    actions = sample_features(case.action_space, batch * LENGTH, rng)
    actions = torch.from_numpy(actions).view(*lead, -1).clone()
    rewards = torch.from_numpy(rng.normal(size=lead).astype(np.float32))
    actions[:, 0] = rewards[:, 0] = 0.0
    times = torch.arange(LENGTH).expand(lead).clone()
    whole = obs if isinstance(case.obs_shape, dict) else obs[""]
    return Story(whole, actions, rewards, times)


def build(case: EncoderCase) -> Encoder:
    """Build an encoder with weights that are always the same, for evaluation."""
    torch.manual_seed(0)
    encoder = case.build()
    with torch.no_grad():  # initial weights hide mistakes: biases of zero, scales of one
        for parameter in encoder.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    encoder.train()
    told = story(case, seed=9)
    encoder.observe(told.at(slice(None), 0).obs, told.at(slice(None), 1).obs)
    sequences(encoder, told)  # whatever follows the data in training
    return encoder.eval()


def sequences(
    encoder: Encoder, told: Story, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Encode whole stretches."""
    every = torch.ones(told.rewards.shape, dtype=torch.bool)
    return encoder.sequence(*told, every if mask is None else mask)


class Actor:
    """Encodes as a level does: one decision of some instances at a time.

    Attributes:
        times: How far each instance is in its episode of the story, (B,).
    """

    def __init__(self, encoder: Encoder, told: Story):
        """Begin the episodes of all instances."""
        self.encoder, self._told = encoder, told
        n = len(told.rewards)
        self.memory = encoder.init_memory(n, CPU)
        self.times = np.zeros(n, dtype=np.int64)

    @torch.no_grad()
    def decide(self, instances: np.ndarray) -> tuple[Tensor, Tensor]:
        """Encode what some instances see; their time goes on."""
        seen = self._told.at(instances, self.times[instances])
        part = self.encoder.gather_memory(self.memory, instances)
        state, context, part = self.encoder.step(*seen, part)
        self.memory = self.encoder.scatter_memory(self.memory, instances, part)
        self.times[instances] += 1
        return state.clone(), context.clone()

    def reset(self, dones: np.ndarray) -> None:
        """End the episodes of some instances, (B,) bool."""
        self.memory = self.encoder.reset_memory(self.memory, dones)
        self.times[dones] = 0

    def all_decisions(self, n: int) -> tuple[Tensor, Tensor]:
        """Let all instances decide n times, (B, n, Z) and (B, n, C)."""
        rows = np.arange(len(self.times))
        pairs = [self.decide(rows) for _ in range(n)]
        return tuple(torch.stack(x, 1) for x in zip(*pairs, strict=True))


def assert_close(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> None:
    """Latent states and contexts agree up to rounding."""
    for x, y in zip(one, other, strict=True):
        torch.testing.assert_close(x, y, **TOLERANCE)


def check_shapes(case: EncoderCase) -> None:
    """Z and C features come out of every way in, also for nothing at all."""
    encoder, told = build(case), story(case)
    state_dim, context_dim = encoder.latent_state_dim, encoder.context_dim
    assert encoder.max_seq_len is None or encoder.max_seq_len >= LENGTH
    ways = {
        (): encoder(told.at(0, 0).obs),
        (BATCH,): encoder(told.at(slice(None), 0).obs),
        (BATCH, LENGTH): encoder(told.obs),
        (0,): encoder(told.at(slice(0), 0).obs),
        (1, LENGTH): sequences(encoder, told.at(slice(1))),
        (BATCH, 2): sequences(encoder, told.at(slice(None), slice(2))),
    }
    step = Actor(encoder, told).decide(np.arange(BATCH))
    for lead, (state, context) in [*ways.items(), ((BATCH,), step)]:
        assert state.shape == (*lead, state_dim), lead
        assert context.shape == (*lead, context_dim), lead
        assert state.dtype == context.dtype == torch.float32
        assert state.isfinite().all() and context.isfinite().all()


def check_steps_equal_sequence(case: EncoderCase) -> None:
    """Acting gives what learning sees."""
    encoder, told = build(case), story(case)
    stepped = Actor(encoder, told).all_decisions(LENGTH)
    assert_close(stepped, sequences(encoder, told))


def check_forward_is_the_first_step(case: EncoderCase) -> None:
    """Each observation on its own is the first of an episode."""
    encoder, told = build(case), story(case)
    first = told.at(slice(None), 0)
    actor = Actor(encoder, told)
    assert_close(encoder(first.obs), actor.decide(np.arange(BATCH)))
    assert_close(encoder(told.obs), _each_alone(encoder, told.obs))


def _each_alone(encoder: Encoder, obs: TensorObservation) -> tuple[Tensor, ...]:
    flat = {k: v.flatten(0, 1) for k, v in _parts(obs).items()}
    latents = encoder(flat if isinstance(obs, dict) else flat[""])
    return tuple(latent.unflatten(0, (BATCH, LENGTH)) for latent in latents)


def check_what_the_past_is_to_it(case: EncoderCase) -> None:
    """To an encoder without ``max_seq_len`` the past is nothing: it learns so."""
    encoder, told = build(case), story(case)
    if encoder.max_seq_len is None:
        assert_close(encoder(told.obs), sequences(encoder, told))
        assert_close(encoder(told.obs), Actor(encoder, told).all_decisions(LENGTH))


def check_any_instances_may_act(case: EncoderCase) -> None:
    """Whoever decides, in whatever order: each instance lives its own episodes."""
    encoder, told = build(case), story(case)
    expected = sequences(encoder, told)
    rng = np.random.default_rng(0)
    actor = Actor(encoder, told)
    n_ended = 0
    for n_round in range(30):
        chosen = rng.permutation(BATCH)[: rng.integers(1, BATCH + 1)]
        if n_round % 3 == 0:  # all in order take a short cut
            chosen = np.arange(BATCH)
        times = actor.times[chosen]
        wanted = tuple(x[chosen, times] for x in expected)
        assert_close(actor.decide(chosen), wanted)
        dones = (actor.times == LENGTH) | (rng.random(BATCH) < 0.2)
        if dones.any() or n_round % 5 == 0:
            actor.reset(dones)
        n_ended += int(dones.sum())
    assert n_ended > BATCH


def check_memory_can_be_saved(case: EncoderCase) -> None:
    """A file keeps the memory, and what was saved stays as it is."""
    encoder, told = build(case), story(case)
    rows = np.arange(BATCH)
    actor, half = Actor(encoder, told), LENGTH // 2
    actor.all_decisions(half)
    actor.decide(rows[::2])
    saved = encoder.memory_state(actor.memory)
    stream = io.BytesIO()
    torch.save(saved, stream)
    times = actor.times.copy()
    left = LENGTH - half - 1
    continued = actor.all_decisions(left)
    stream.seek(0)
    for state in (saved, torch.load(stream, weights_only=True), saved):
        other = Actor(build(case), told)
        other.all_decisions(1)
        other.memory = other.encoder.load_memory_state(state, CPU)
        other.times = times.copy()
        for x, y in zip(other.all_decisions(left), continued, strict=True):
            assert torch.equal(x, y)


def check_padding_changes_nothing(case: EncoderCase) -> None:
    """What stands where the mask is False matters to nobody, also when learning."""
    told, garbage = story(case), story(case, seed=1)
    lengths = torch.tensor([LENGTH, 3, 1, LENGTH - 1])
    mask = torch.arange(LENGTH) < lengths[:, None]
    other = told.with_other(~mask, garbage)
    for training in (False, True):
        states = []
        results = []
        for shown in (told, other):
            encoder = build(case).train(training)
            torch.manual_seed(1)  # dropout and augmentation
            results.append(tuple(x[mask] for x in sequences(encoder, shown, mask)))
            states.append(encoder.state_dict())
        assert_close(*results)
        assert_same_state(*states)
    encoder = build(case)
    for row, n in enumerate(lengths.tolist()):
        alone = sequences(encoder, told.at(slice(row, row + 1), slice(n)))
        padded = sequences(encoder, other, mask)
        assert_close(alone, tuple(x[row : row + 1, :n] for x in padded))


def assert_same_state(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Weights and statistics are the same, bit for bit."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def check_future_cannot_change_past(case: EncoderCase) -> None:
    """Neither the values nor the gradients of a latent know what comes later."""
    encoder, told, other = build(case), story(case), story(case, seed=1)
    before = sequences(encoder, told)
    for now in range(1, LENGTH):
        changed = told.with_other((slice(None), slice(now, None)), other)
        after = sequences(encoder, changed)
        assert_close(*(tuple(x[:, :now] for x in y) for y in (before, after)))
        for value in changed.values():
            if value.is_floating_point():
                value.requires_grad_()
        state, context = sequences(encoder, changed)
        total = state[:, :now].sum() + context[:, :now].sum()
        if total.requires_grad:
            total.backward()
        for value in changed.values():
            assert value.grad is None or not value.grad[:, now:].any()


def check_instances_do_not_mix(case: EncoderCase) -> None:
    """An instance's latents are those of the instance alone."""
    encoder, told = build(case), story(case)
    for encode in (sequences, lambda e, s: Actor(e, s).all_decisions(LENGTH)):
        alone = [encode(encoder, told.at(slice(i, i + 1))) for i in range(BATCH)]
        together = tuple(torch.cat(x) for x in zip(*alone, strict=True))
        assert_close(encode(encoder, told), together)


def check_evaluation_changes_nothing(case: EncoderCase) -> None:
    """In evaluation mode weights and statistics stay as they are."""
    encoder, told = build(case), story(case)
    before = copy.deepcopy(encoder.state_dict())
    first = sequences(encoder, told)
    Actor(encoder, told).all_decisions(LENGTH)
    encoder(told.obs)
    assert_same_state(before, encoder.state_dict())
    for x, y in zip(first, sequences(encoder, told), strict=True):
        assert torch.equal(x, y)


def check_encoder_can_be_copied(case: EncoderCase) -> None:
    """deepcopy and a strict state_dict, through a file, give the same encoder."""
    encoder, told = build(case), story(case)
    stream = io.BytesIO()
    torch.save(encoder.state_dict(), stream)
    stream.seek(0)
    torch.manual_seed(5)
    loaded = case.build().eval()
    loaded.load_state_dict(torch.load(stream, weights_only=True), strict=True)
    for other in (loaded, copy.deepcopy(encoder)):
        for encode in (sequences, lambda e, s: Actor(e, s).all_decisions(LENGTH)):
            for x, y in zip(encode(encoder, told), encode(other, told), strict=True):
                assert torch.equal(x, y)


def check_episodes_have_no_end(case: EncoderCase) -> None:
    """Acting goes on beyond ``max_seq_len``; the latest observation always counts."""
    encoder, told = build(case), story(case)
    rows = np.arange(BATCH)
    actor = Actor(encoder, told)
    for _ in range(2 * (encoder.max_seq_len or LENGTH) + 1):
        saved = copy.deepcopy(encoder.memory_state(actor.memory))
        actor.times[:] %= LENGTH
        state, context = actor.decide(rows)
        assert state.isfinite().all() and context.isfinite().all()
    actor.memory = encoder.load_memory_state(saved, CPU)
    actor.times = (actor.times + LENGTH - 3) % LENGTH
    assert not torch.allclose(
        torch.cat(actor.decide(rows), -1), _joined(state, context)
    )


def _joined(state: Tensor, context: Tensor) -> Tensor:
    return torch.cat([state, context], -1)


CONTRACT = (
    check_shapes,
    check_steps_equal_sequence,
    check_forward_is_the_first_step,
    check_what_the_past_is_to_it,
    check_any_instances_may_act,
    check_memory_can_be_saved,
    check_padding_changes_nothing,
    check_future_cannot_change_past,
    check_instances_do_not_mix,
    check_evaluation_changes_nothing,
    check_encoder_can_be_copied,
    check_episodes_have_no_end,
)
"""All that an encoder must do."""


def check_encoder(case: EncoderCase) -> None:
    """Put an encoder through the whole contract."""
    for check in CONTRACT:
        check(case)
