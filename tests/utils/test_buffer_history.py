"""What came before, against the story that the observations tell."""

import numpy as np
import pytest

from layeredrl.utils.buffer_history import steps_before
from tests.stored_episodes import FILLS, stored_positions, told_places
from tests.toys import BUFFER_KINDS, Filler, make_buffer, random_buffer


def one_before(buffer):
    """Where the step before each is stored, found by what they tell."""
    places = told_places(buffer)
    before = {}
    for (ring, episode, time), i in places.items():
        before[i] = places.get((ring, episode, time - 1))
    return before


def expected_of(before, start, n_steps):
    path, at = [], start
    while len(path) < n_steps and before[at] is not None:
        at = before[at]
        path.append(at)
    return path + [at] * (n_steps - len(path)), len(path)


def assert_as_told(buffer, n_steps, before=None):
    positions = np.random.default_rng(0).permutation(stored_positions(buffer))
    path, count = steps_before(buffer, positions, n_steps)
    assert path.shape == (n_steps, len(positions)) and count.shape == positions.shape
    before = before or one_before(buffer)
    for column, start in enumerate(positions):
        wanted, n = expected_of(before, int(start), n_steps)
        assert path[:, column].tolist() == wanted
        assert count[column] == n
    return count


@pytest.mark.parametrize("kind", BUFFER_KINDS)
@pytest.mark.parametrize("n_steps", [1, 2, 6, 40])
@pytest.mark.parametrize("fill", FILLS)
def test_the_past_is_what_was_told(kind, fill, n_steps):
    assert_as_told(random_buffer(kind, fill, seed=fill), n_steps)


@pytest.mark.parametrize("kind", BUFFER_KINDS)
def test_rings_of_different_ages(kind):
    filler = Filler(make_buffer(kind, 60, 4 if kind != "plain" else 1), 3)
    count = assert_as_told(filler.add_unevenly(61), 5)
    assert {0, 5} <= set(count.tolist())
    if kind != "plain":
        assert len({len(ring) for ring in filler.buffer.buffers}) == 1  # all wrapped


def test_rings_that_hold_nothing_yet():
    filler = Filler(make_buffer("ours", 60, 4), 0)
    assert_as_told(filler.add(7, rings=[1, 3]), 4)


def test_an_episode_longer_than_its_ring():
    filler = Filler(make_buffer("ours", 8, 2), p_terminated=0.0, p_truncated=0.0)
    count = assert_as_told(filler.add(21), 9)
    assert sorted(count.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_nothing_is_before_a_gap():
    filler = Filler(make_buffer("ours", 40, 2), p_terminated=0.0, p_truncated=0.0)
    buffer = filler.add(5)
    buffer.cut_episodes(np.array([1]))
    filler.add(4)
    path, count = steps_before(buffer, np.array([8, 20 + 8, 20 + 4]), 9)
    assert count.tolist() == [8, 3, 4]
    assert path[:, 1].tolist() == [27, 26, 25] + [25] * 6


def test_no_steps_back():
    path, count = steps_before(random_buffer(), np.array([0, 3, 1]), 0)
    assert path.shape == (0, 3) and count.tolist() == [0, 0, 0]


def test_nobody_asks():
    path, count = steps_before(random_buffer(), np.zeros(0, int), 4)
    assert path.shape == (4, 0) and count.shape == (0,)
