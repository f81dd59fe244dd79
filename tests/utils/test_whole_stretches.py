"""Everything that was done for one purpose, against the story that observations tell."""

from collections import Counter

import numpy as np
import pytest

from layeredrl.errors import ConfigurationError, EmptyBufferError
from layeredrl.utils.buffer_history import steps_before
from layeredrl.utils.whole_stretches import draw_whole_stretches
from tests.stored_episodes import FILLS, stored_positions, told_places
from tests.toys import BUFFER_KINDS, Filler, make_buffer, random_buffer

FLAG = "over"


def flagged(buffer, share=0.3, seed=0):
    buffer.info.over = np.random.default_rng(seed).random(buffer.maxsize) < share
    return buffer


def told_stretches(buffer, is_flagged=None):
    """Buffer positions of every stretch, by each of its positions."""
    places = told_places(buffer)
    flags = buffer.info.over if is_flagged is None else is_flagged
    stretch_of, path = {}, []
    for place in sorted(places):
        ring, episode, time = place
        is_first = (ring, episode, time - 1) not in places
        if is_first or flags[path[-1]]:
            path = []
        path.append(places[place])
        stretch_of[places[place]] = path
    return stretch_of


def drawn_stretches(buffer, size, n_steps):
    positions, valid = draw_whole_stretches(buffer, size, n_steps, FLAG)
    assert positions.shape == (n_steps, size) and valid.shape == (size,)
    found = []
    for column, length in zip(positions.T.tolist(), valid.tolist(), strict=True):
        assert all(i == column[length - 1] for i in column[length:])
        found.append(column[:length])
    return found


def assert_as_told(buffer, n_steps, size=400):
    stretch_of = told_stretches(buffer)
    assert max(map(len, stretch_of.values())) <= n_steps
    found = drawn_stretches(buffer, size, n_steps)
    for path in found:
        assert path == stretch_of[path[0]]
    assert {i for path in found for i in path} == set(stored_positions(buffer).tolist())
    return found


@pytest.mark.parametrize("kind", BUFFER_KINDS)
@pytest.mark.parametrize("fill", FILLS)
def test_stretches_reach_from_flag_to_flag(kind, fill):
    buffer = flagged(random_buffer(kind, fill, seed=fill))
    found = assert_as_told(buffer, 60)
    lengths = {len(path) for path in found}
    assert len(lengths) > 2 or fill == 1


@pytest.mark.parametrize("kind", BUFFER_KINDS)
def test_without_flags_they_are_whole_episodes(kind):
    for fill in FILLS:
        assert_as_told(flagged(random_buffer(kind, fill, seed=fill), 0.0), 60)


@pytest.mark.parametrize("kind", BUFFER_KINDS)
def test_a_flag_that_is_not_stored_ends_nothing(kind):
    buffer = random_buffer(kind, 22, seed=1)
    stretch_of = told_stretches(buffer, np.zeros(buffer.maxsize, bool))
    for path in drawn_stretches(buffer, 100, 60):
        assert path == stretch_of[path[0]]


@pytest.mark.parametrize("kind", BUFFER_KINDS)
def test_rings_of_different_ages(kind):
    buffer = make_buffer(kind, 60, 4 if kind != "plain" else 1)
    filler = Filler(buffer, 3)
    for _ in range(6):
        filler.add_unevenly(7)
        assert_as_told(flagged(buffer, seed=len(buffer)), 60)


def test_rings_that_hold_nothing_yet():
    filler = Filler(make_buffer("ours", 60, 4), 0)
    filler.add(3, rings=[1])
    assert_as_told(flagged(filler.add(9, rings=[3])), 15)


def test_a_stretch_longer_than_its_ring_is_all_that_is_left_of_it():
    filler = Filler(make_buffer("ours", 8, 2), p_terminated=0.0, p_truncated=0.0)
    buffer = flagged(filler.add(21), 0.0)
    found = assert_as_told(buffer, 30)
    assert {len(path) for path in found} == {4}


def test_nothing_reaches_across_a_gap():
    filler = Filler(make_buffer("ours", 40, 2), p_terminated=0.0, p_truncated=0.0)
    buffer = filler.add(5)
    buffer.cut_episodes(np.array([1]))
    flagged(filler.add(4), 0.0)
    found = {tuple(path) for path in drawn_stretches(buffer, 100, 20)}
    assert found == {
        tuple(range(9)),
        tuple(range(20, 25)),
        tuple(range(25, 29)),
    }


def test_longer_stretches_are_drawn_more_often():
    """A step is drawn, and with it the stretch around it."""
    buffer = flagged(random_buffer("ours", 100))
    size = 20_000
    counts = Counter(map(tuple, drawn_stretches(buffer, size, 15)))
    for path, n in counts.items():
        expected = size * len(path) / len(buffer)
        assert abs(n - expected) < 6 * np.sqrt(expected)


@pytest.mark.parametrize("n_steps", [1, 3])
def test_no_more_steps_than_asked_for(n_steps):
    buffer = flagged(random_buffer("ours", 100), 0.05)
    found = drawn_stretches(buffer, 1000, n_steps)
    assert max(map(len, found)) == n_steps
    stretch_of = told_stretches(buffer)
    for path in found:
        whole = stretch_of[path[0]]
        at = whole.index(path[0])
        assert path == whole[at : at + n_steps]
    assert {i for path in found for i in path} == set(stored_positions(buffer).tolist())


def test_the_same_generator_state_draws_the_same():
    buffer = flagged(random_buffer("ours", 22))
    state = buffer.generator.bit_generator.state
    first, second = (drawn_stretches(buffer, 30, 15) for _ in range(2))
    buffer.generator.bit_generator.state = state
    assert first == drawn_stretches(buffer, 30, 15) and first != second


@pytest.mark.parametrize("kind", BUFFER_KINDS)
def test_nothing_stored_and_nothing_asked_for_are_refused(kind):
    with pytest.raises(EmptyBufferError):
        draw_whole_stretches(make_buffer(kind), 3, 2, FLAG)
    with pytest.raises(ConfigurationError, match="at least one row, got 0"):
        draw_whole_stretches(flagged(random_buffer(kind)), 0, 2, FLAG)


# The way back


@pytest.mark.parametrize("kind", BUFFER_KINDS)
@pytest.mark.parametrize("n_steps", [1, 3, 40])
@pytest.mark.parametrize("fill", FILLS)
def test_the_past_ends_after_a_flag(kind, n_steps, fill):
    buffer = flagged(random_buffer(kind, fill, seed=fill))
    positions = stored_positions(buffer)
    path, count = steps_before(buffer, positions, n_steps, FLAG)
    stretch_of = told_stretches(buffer)
    for column, start in enumerate(positions.tolist()):
        whole = stretch_of[start]
        before = whole[: whole.index(start)][::-1][:n_steps]
        assert count[column] == len(before)
        earliest = before[-1] if before else start
        expected = before + [earliest] * (n_steps - len(before))
        assert path[:, column].tolist() == expected
