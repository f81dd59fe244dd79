"""Ends of episodes, against the story that the observations tell."""

import numpy as np
import pytest

from layeredrl.utils.episode_ends import draw_until_episode_ends, episode_ends
from tests.stored_episodes import FILLS, stored_positions, told_places
from tests.toys import BUFFER_KINDS, Filler, make_buffer, random_buffer


def paths(buffer):
    """Each position's episode from there on, found by what the observations tell."""
    places = told_places(buffer)
    found = {}
    for (ring, episode, time), i in places.items():
        found[i] = []
        while (ring, episode, time) in places:
            found[i].append(places[ring, episode, time])
            time += 1
    return found


def assert_as_told(buffer):
    positions = np.random.default_rng(0).permutation(stored_positions(buffer))
    told = paths(buffer)
    expected = [told[int(i)][-1] for i in positions]
    assert episode_ends(buffer, positions).tolist() == expected
    return told


@pytest.mark.parametrize("kind", BUFFER_KINDS)
@pytest.mark.parametrize("fill", FILLS)
def test_ends_are_as_told(kind, fill):
    assert_as_told(random_buffer(kind, fill, seed=fill))


@pytest.mark.parametrize("kind", BUFFER_KINDS)
@pytest.mark.parametrize("n_steps", [10, 61])
def test_rings_of_different_ages(kind, n_steps):
    rings = 1 if kind == "plain" else 4
    filler = Filler(make_buffer(kind, 60, rings), 3)
    assert_as_told(filler.add_unevenly(n_steps))


@pytest.mark.parametrize("rings", [[0], [1, 3], [3]])
@pytest.mark.parametrize("n_steps", [7, 15, 40])
def test_rings_that_hold_nothing_yet(rings, n_steps):
    filler = Filler(make_buffer("ours", 60, 4), 0, p_terminated=0.02, p_truncated=0)
    assert_as_told(filler.add(n_steps, rings=rings))


def test_an_episode_longer_than_its_ring_ends_with_the_newest_transition():
    filler = Filler(make_buffer("ours", 8, 2), p_terminated=0.0, p_truncated=0.0)
    buffer = filler.add(21)
    told = assert_as_told(buffer)
    assert sorted(map(len, told.values())) == [1, 1, 2, 2, 3, 3, 4, 4]


def test_an_episode_that_was_broken_off_ends_there():
    filler = Filler(make_buffer("ours", 40, 2), p_terminated=0.0, p_truncated=0.0)
    buffer = filler.add(5)
    buffer.cut_episodes(np.array([1]))
    filler.add(4)
    found = episode_ends(buffer, np.array([0, 8, 20, 24, 25]))
    assert found.tolist() == [8, 8, 24, 24, 28]


def test_what_was_stored_before_an_emptying_does_not_count():
    buffer = random_buffer("ours", 15, p_terminated=0.9)
    buffer.reset()
    filler = Filler(buffer, 1, p_terminated=0.0, p_truncated=0.0)
    assert_as_told(filler.add(4))


@pytest.mark.parametrize("shape", [(0,), (3, 2), (2, 3, 1)])
def test_positions_of_any_shape(shape):
    buffer = random_buffer(n_steps=22)
    positions = np.random.default_rng(0).choice(stored_positions(buffer), shape)
    found = episode_ends(buffer, positions)
    assert found.shape == shape
    assert np.array_equal(found.ravel(), episode_ends(buffer, positions.ravel()))
    assert draw_until_episode_ends(buffer, positions).shape == shape


@pytest.mark.parametrize("kind", BUFFER_KINDS)
@pytest.mark.parametrize("fill", [7, 22])
def test_all_that_follow_are_drawn_equally_often(kind, fill):
    buffer = random_buffer(kind, fill, p_terminated=0.05, p_truncated=0.05)
    told, n = paths(buffer), 4000
    for start in list(told)[::3]:
        drawn = draw_until_episode_ends(buffer, np.full(n, start))
        places, counts = np.unique(drawn, return_counts=True)
        assert set(places) == set(told[start])
        assert np.ptp(counts) < 6 * np.sqrt(n / len(places))


def test_the_buffers_own_generator_draws():
    one, two = (random_buffer(n_steps=15, seed=4) for _ in range(2))
    positions = stored_positions(one)
    first = draw_until_episode_ends(one, positions)
    np.random.default_rng(9).random(3)
    assert np.array_equal(first, draw_until_episode_ends(two, positions))
    assert not np.array_equal(first, draw_until_episode_ends(one, positions))
