"""What is new in a buffer, against a record of everything that was ever added."""

import numpy as np
import pytest
from tianshou.data import Batch

from layeredrl.errors import ConfigurationError
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.fresh_experience import fresh_stretches

N = 3


class Story:
    """Adds numbered transitions, and remembers after which of them a stretch ends."""

    def __init__(self, total_size=60, flag=None):
        self.buffer = TransitionBuffer(total_size, N, np.random.SeedSequence(0))
        self.flag = flag
        self.added = [[] for _ in range(N)]
        self.rng = np.random.default_rng(0)

    def add(self, rings, p_end=0.0, p_flag=0.0):
        rings = np.asarray(rings)
        over, flags = (self.rng.random(len(rings)) < p for p in (p_end, p_flag))
        numbers = np.array([100.0 * i + len(self.added[i]) for i in rings])
        is_odd = numbers % 2 == 1
        info = {"n_env_steps": np.ones(len(rings), int)}
        if self.flag is not None:
            info[self.flag] = flags
        self.buffer.add(
            Batch(
                obs=numbers[:, None],
                act=numbers[:, None],
                rew=numbers,
                terminated=over & is_odd,
                truncated=over & ~is_odd,
                obs_next=numbers[:, None],
                info=Batch(info),
            ),
            buffer_ids=rings,
        )
        for i, number, ends in zip(rings, numbers, over | flags, strict=True):
            self.added[i].append((number, bool(ends)))

    def live(self, n_steps, **chances):
        for _ in range(n_steps):
            rings = self.rng.permutation(N)[: self.rng.integers(1, N + 1)]
            self.add(np.sort(rings), **chances)

    def gap(self, ring):
        self.buffer.has_gap[ring] = True
        number, _ = self.added[ring][-1]
        self.added[ring][-1] = (number, True)

    def expected(self, before):
        """Numbers of the new transitions in stretches, ring after ring."""
        found = []
        for ring, start in zip(self.added, before, strict=True):
            stretch = []
            for number, ends in ring[start:]:
                stretch.append(number)
                if ends:
                    found.append(stretch)
                    stretch = []
            found += [stretch] if stretch else []
        return found


def numbers_of(buffer, positions, valid):
    assert positions.shape == (valid.max(), len(valid))
    for column, n in zip(positions.T, valid, strict=True):
        assert (column[n:] == column[n - 1]).all()
    columns = zip(positions.T, valid, strict=True)
    return [buffer.rew[column[:n]].tolist() for column, n in columns]


def check(story, before, flag=None):
    found = numbers_of(story.buffer, *fresh_stretches(story.buffer, before, flag))
    assert found == story.expected(before)


@pytest.mark.parametrize("p_end", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("n_before", [0, 3, 15, 70])
def test_every_new_transition_is_in_one_stretch(n_before, p_end):
    """Also in rings of 20 that were filled three times over."""
    story = Story()
    story.live(n_before, p_end=p_end)
    before = story.buffer.n_added.copy()
    story.live(17, p_end=p_end)
    check(story, before)


def test_a_ring_that_is_new_all_around():
    story = Story(total_size=15)
    for _ in range(5 + 2):
        story.add(range(N), p_end=0.3)
    check(story, np.full(N, 2))


def test_rings_with_nothing_new_are_left_out():
    story = Story()
    story.add(range(N))
    before = story.buffer.n_added.copy()
    for _ in range(3):
        story.add([1])
    check(story, before)
    assert fresh_stretches(story.buffer, before)[1].tolist() == [3]


def test_rings_that_never_stored_anything():
    story = Story()
    story.add([1])
    story.add([1])
    check(story, np.zeros(N, int))


def test_what_was_known_before_an_episode_went_on_is_not_new():
    story = Story()
    for _ in range(4):
        story.add([0])
    check(story, np.array([2, 0, 0]))  # in the middle of the episode


def test_stretches_do_not_cross_a_gap():
    story = Story()
    story.live(4)
    before = story.buffer.n_added.copy()
    story.add(range(N))
    story.gap(1)
    story.add(range(N))
    story.add(range(N))
    check(story, before)
    assert sorted(fresh_stretches(story.buffer, before)[1]) == [1, 2, 3, 3]


def test_a_gap_before_what_is_new_does_not_matter():
    story = Story()
    story.live(4)
    story.gap(1)
    before = story.buffer.n_added.copy()
    story.add(range(N))
    story.add(range(N))
    check(story, before)


def test_flags_end_stretches_where_they_are_asked_for():
    story = Story(flag="handed_back")
    before = np.zeros(N, int)
    story.live(20, p_flag=0.3)
    check(story, before, "handed_back")
    _, whole = fresh_stretches(story.buffer, before)
    assert len(whole) == N  # nobody asked
    _, other = fresh_stretches(story.buffer, before, "another flag")
    assert len(other) == N


def test_nothing_new_is_refused():
    story = Story()
    story.live(5)
    with pytest.raises(ConfigurationError, match=r"\[0, 0, 0\]"):
        fresh_stretches(story.buffer, story.buffer.n_added.copy())


def test_what_has_been_overwritten_is_refused():
    story = Story(total_size=15)
    for _ in range(6):
        story.add(range(N))
    with pytest.raises(ConfigurationError, match=r"\[6, 6, 6\].*\[5, 5, 5\]"):
        fresh_stretches(story.buffer, np.zeros(N, int))
    check(story, np.ones(N, int))
