import pickle
from collections import Counter

import numpy as np
import pytest
from tianshou.data import Batch, ReplayBuffer

from layeredrl.errors import CheckpointError, ConfigurationError, EmptyBufferError
from layeredrl.utils.buffers import TransitionBuffer, generator_of
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.partial_trajectories import (
    draw_partial_trajectories,
    draw_transitions,
)
from tests.stored_episodes import FILLS
from tests.toys import BUFFER_KINDS, Filler, make_buffer, random_buffer


def followed(buffer, start, n_steps):
    """What stretches must be: ``buffer.next`` step by step."""
    indices = [start]
    for _ in range(n_steps - 1):
        indices.append(buffer.next(indices[-1]))
    return np.stack(indices)


def lengths(buffer, indices):
    n_steps = len(indices)
    stays = indices[1:] == indices[:-1]
    return np.where(stays.any(0), stays.argmax(0) + 1, n_steps) if n_steps > 1 else 1


@pytest.mark.parametrize("kind", BUFFER_KINDS)
@pytest.mark.parametrize("n_steps", [1, 2, 6, 40])
@pytest.mark.parametrize("fill", FILLS)
def test_stretches_follow_next(kind, fill, n_steps):
    buffer = random_buffer(kind, fill, seed=fill)
    indices, valid = draw_partial_trajectories(buffer, 64, n_steps)
    assert indices.shape == (n_steps, 64) and valid.shape == (64,)
    expected = followed(buffer, indices[0], n_steps)
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(valid, lengths(buffer, expected))


def test_stretches_never_leave_their_episode():
    buffer = random_buffer("ours", 100)
    indices, valid = draw_partial_trajectories(buffer, 200, 9)
    obs = buffer.obs[indices]
    assert (obs[..., :2] == obs[:1, :, :2]).all()  # ring and episode
    steps = np.minimum(np.arange(9)[:, None], valid - 1)
    np.testing.assert_array_equal(obs[..., 2], obs[0, :, 2] + steps)


@pytest.mark.parametrize("fill", FILLS)
def test_a_flag_ends_stretches(fill):
    buffer = random_buffer("ours", fill, seed=fill)
    flags = np.random.default_rng(0).random(buffer.maxsize) < 0.3
    buffer.info.over = flags
    plain = random_buffer("ours", fill, seed=fill)
    expected, whole = draw_partial_trajectories(plain, 64, 6)
    positions, valid = draw_partial_trajectories(buffer, 64, 6, "over")
    n_shorter = 0
    for column in range(64):
        path = expected[: whole[column], column]
        ends = np.flatnonzero(flags[path])
        length = ends[0] + 1 if len(ends) else len(path)
        n_shorter += length < len(path)
        assert valid[column] == length
        assert positions[:length, column].tolist() == path[:length].tolist()
        assert (positions[length:, column] == path[length - 1]).all()
    assert n_shorter > 0 or fill == 1


def test_a_flag_that_is_not_stored_ends_nothing():
    one, other = (random_buffer("ours", 22) for _ in range(2))
    expected = draw_partial_trajectories(one, 64, 6)
    for a, b in zip(expected, draw_partial_trajectories(other, 64, 6, "over")):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["vector", "ours"])
def test_rings_of_one_transition_and_empty_rings(kind):
    buffer = make_buffer(kind, 4, 4)  # one transition per ring
    Filler(buffer, p_terminated=0, p_truncated=0).add(3, rings=[0, 2])
    indices, valid = draw_partial_trajectories(buffer, 50, 5)
    assert set(np.unique(indices)) == {0, 2}
    assert (indices == indices[0]).all() and (valid == 1).all()


def test_uneven_rings_are_drawn_uniformly():
    buffer = make_buffer("ours", 120, 4)
    filler = Filler(buffer)
    filler.add(3, rings=[0])
    filler.add(50, rings=[1])  # wraps its 30
    filler.add(17, rings=[3])
    stored = {0, 1, 2, *range(30, 60), *range(90, 107)}
    n = 40_000
    position, offset, ring = draw_transitions(buffer, n)
    counts = Counter((position + offset).tolist())
    assert set(counts) == stored
    np.testing.assert_array_equal(offset, 30 * ring)
    expected = n / len(stored)
    chi_square = sum((c - expected) ** 2 / expected for c in counts.values())
    assert chi_square < 90  # 49 degrees of freedom: 1 in 3000


def test_rings_are_drawn_from_independently():
    # Tianshou's own sampler draws the same numbers in each ring: with 8 rings most of a
    # batch are duplicated time steps.
    buffer = random_buffer("ours", 1000, total_size=8000, n_rings=8)
    position, _, ring = draw_transitions(buffer, 256)
    assert set(ring) == set(range(8))
    duplicates = 256 - len(set(position.tolist()))
    assert duplicates < 70  # about 30 are expected of independent draws


@pytest.mark.parametrize("kind", BUFFER_KINDS)
def test_same_generator_state_same_draws(kind):
    buffer = random_buffer(kind, 10)
    generator = generator_of(buffer)
    assert generator_of(buffer) is generator
    state = generator.bit_generator.state
    first = draw_partial_trajectories(buffer, 20, 5)[0]
    second = draw_partial_trajectories(buffer, 20, 5)[0]
    generator.bit_generator.state = state
    np.testing.assert_array_equal(first, draw_partial_trajectories(buffer, 20, 5)[0])
    assert (first != second).any()


def test_each_plain_buffer_gets_a_generator_of_its_own():
    one, two = (random_buffer("vector", 10) for _ in range(2))
    assert generator_of(one) is not generator_of(two)
    first = draw_transitions(one, 30)[0]
    draw_transitions(one, 30)
    np.testing.assert_array_equal(first, draw_transitions(two, 30)[0])


def test_seeds_differ():
    draws = [
        draw_transitions(Filler(make_buffer("ours", seed=seed)).add(15), 50)[0]
        for seed in (0, 1)
    ]
    assert (draws[0] != draws[1]).any()


@pytest.mark.parametrize("kind", BUFFER_KINDS)
def test_empty_buffer_says_so(kind):
    with pytest.raises(EmptyBufferError, match="holds no transition"):
        draw_transitions(make_buffer(kind), 3)
    with pytest.raises(EmptyBufferError):
        draw_partial_trajectories(make_buffer(kind), 3, 2)


def test_sizes_of_zero_are_refused():
    buffer = random_buffer()
    with pytest.raises(ConfigurationError, match="at least one row, got 0"):
        draw_transitions(buffer, 0)
    with pytest.raises(ConfigurationError, match="at least one step, got 0"):
        draw_partial_trajectories(buffer, 4, 0)
    with pytest.raises(ConfigurationError, match="total_size=3 for 4"):
        make_buffer("ours", 3, 4)
    with pytest.raises(ConfigurationError, match="0 instances"):
        make_buffer("ours", 3, 0)


class TestState:
    @pytest.fixture
    def pair(self, tmp_path):
        """A wrapped buffer and what its checkpoint restores, and their fillers."""
        buffer = make_buffer("ours", 60, 4)
        filler = Filler(buffer, 3)
        filler.add_unevenly(33)
        draw_transitions(buffer, 5)
        save_checkpoint(tmp_path / "buffer", "buffer", buffer.state_dict())
        loaded = make_buffer("ours", 60, 4, seed=9)
        loaded.load_state_dict(load_checkpoint(tmp_path / "buffer", "buffer"))
        return buffer, loaded, filler

    def test_everything_stored_comes_back(self, pair):
        buffer, loaded, _ = pair
        assert len(loaded) == len(buffer)
        for key in ("obs", "act", "rew", "terminated", "truncated", "done", "obs_next"):
            ours, theirs = getattr(buffer, key), getattr(loaded, key)
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
        for key in ("n_env_steps", "random_mode"):
            np.testing.assert_array_equal(buffer.info[key], loaded.info[key])
        np.testing.assert_array_equal(
            buffer.unfinished_index(), loaded.unfinished_index()
        )
        assert not np.shares_memory(buffer.obs, loaded.obs)

    def test_sampling_continues_identically(self, pair):
        buffer, loaded, _ = pair
        for _ in range(3):
            for one, two in zip(
                draw_partial_trajectories(buffer, 40, 7),
                draw_partial_trajectories(loaded, 40, 7),
                strict=True,
            ):
                np.testing.assert_array_equal(one, two)

    def test_adding_continues_identically(self, pair):
        buffer, loaded, filler = pair
        for seed in range(40):
            rng = np.random.default_rng(seed)
            rings = np.flatnonzero(rng.random(4) < 0.7)
            if not rings.size:
                continue
            done = rng.random(len(rings)) < 0.2
            batch = Batch(
                obs=rng.normal(size=(len(rings), 5)).astype(np.float32),
                act=rng.normal(size=(len(rings), 2)).astype(np.float32),
                rew=rng.normal(size=len(rings)),
                terminated=done,
                truncated=~done & (rng.random(len(rings)) < 0.2),
                obs_next=rng.normal(size=(len(rings), 5)).astype(np.float32),
                info=Batch(
                    n_env_steps=np.ones(len(rings), int), random_mode=done.copy()
                ),
            )
            results = [b.add(batch, buffer_ids=rings) for b in (buffer, loaded)]
            for one, two in zip(*results, strict=True):
                np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(buffer.obs, loaded.obs)
        np.testing.assert_array_equal(buffer.last_index, loaded.last_index)
        np.testing.assert_array_equal(
            buffer.next(np.arange(60)), loaded.next(np.arange(60))
        )

    def test_the_state_is_a_copy(self, pair):
        buffer, _, filler = pair
        state = buffer.state_dict()
        before = state["transitions"]["obs"].copy()
        filler.add(20)
        np.testing.assert_array_equal(state["transitions"]["obs"], before)

    def test_an_empty_buffer_can_be_saved(self):
        loaded = random_buffer("ours", 10)
        loaded.load_state_dict(make_buffer("ours").state_dict())
        assert len(loaded) == 0
        Filler(loaded, 1).add(2)
        assert len(loaded) == 8

    @pytest.mark.parametrize("sizes", [(61, 4), (60, 5)])
    def test_another_size_is_refused(self, pair, sizes):
        other = make_buffer("ours", *sizes)
        with pytest.raises(CheckpointError, match="4 rings"):
            other.load_state_dict(pair[0].state_dict())

    def test_other_observations_are_refused_and_nothing_changes(self, pair):
        other = random_buffer("ours", 9, obs_dim=4)
        before = other.state_dict()
        with pytest.raises(CheckpointError, match="obs"):
            other.load_state_dict(pair[0].state_dict())
        np.testing.assert_array_equal(before["transitions"]["obs"], other.obs)
        assert len(other) == 36

    def test_infos_may_come_and_go(self, pair):
        other = random_buffer("ours", 9, infos=False)
        other.load_state_dict(pair[0].state_dict())
        assert len(other) == len(pair[0])


def test_terminal_transitions_keep_their_true_successor():
    buffer = random_buffer("ours", 14)
    ends = np.flatnonzero(buffer.done)
    assert ends.size > 4
    obs, following = buffer.obs[ends], buffer.obs_next[ends]
    np.testing.assert_array_equal(following[:, :2], obs[:, :2])
    np.testing.assert_array_equal(following[:, 2], obs[:, 2] + 1)


def test_pickles_with_its_generator():
    buffer = random_buffer("ours", 10)
    copied = pickle.loads(pickle.dumps(buffer))
    assert isinstance(copied, TransitionBuffer) and isinstance(copied, ReplayBuffer)
    np.testing.assert_array_equal(
        draw_transitions(buffer, 20)[0], draw_transitions(copied, 20)[0]
    )


class TestCutting:
    def filled(self):
        buffer = make_buffer("ours", 60, 4)
        filler = Filler(buffer, p_terminated=0, p_truncated=0)
        filler.add(5, rings=[0, 1, 2])
        return buffer, filler

    def test_what_comes_next_is_no_continuation(self):
        buffer, filler = self.filled()
        buffer.cut_episodes(np.array([0, 2, 3]))  # ring 3 is empty
        filler.add(5, rings=[0, 1, 2])
        newest = np.array([4, 19, 34])  # of each ring, when it was cut
        assert buffer.done[newest].tolist() == [True, False, True]
        assert buffer.truncated[newest].tolist() == [True, False, True]
        assert not buffer.terminated.any()
        np.testing.assert_array_equal(buffer.next(newest), [4, 20, 34])
        indices, _ = draw_partial_trajectories(buffer, 300, 8)
        crosses = (indices[0] % 15 < 5) & (indices[-1] % 15 >= 5)
        assert set(indices[0][crosses] // 15) == {1}

    def test_episodes_that_are_over_stay_as_they_are(self):
        buffer, _ = self.filled()
        buffer.terminated[4] = buffer.done[4] = True
        before = buffer.truncated.copy()
        buffer.cut_episodes(np.array([0]))
        np.testing.assert_array_equal(buffer.truncated, before)
        buffer.cut_episodes(np.zeros(0, int))
        make_buffer("ours").cut_episodes(np.arange(4))  # nothing stored at all

    def test_statistics_of_episodes_begin_anew(self):
        buffer, filler = self.filled()
        buffer.cut_episodes(np.array([0]))
        filler.add(2, rings=[0])
        end = {
            key: buffer[[6]][key] for key in ("obs", "act", "rew", "obs_next", "info")
        }
        *_, length, start = buffer.add(
            Batch(**end, terminated=np.array([True]), truncated=np.array([False])),
            buffer_ids=[0],
        )
        assert length.tolist() == [3] and start.tolist() == [5]
