"""Who decides when, and what each level is told of it: by hand, and by brute force."""

from math import prod
from typing import NamedTuple

import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.errors import ShapeError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import ActionSequenceLevel, ConstantLevel
from tests.toy_envs import Spaces, unbounded
from tests.toy_levels import Counter, RunningCounter

WIDE = spaces.Box(-1e6, 1e6, (1,), np.float32)
OBS = unbounded(1)


def build(levels, n=1):
    return Hierarchy(levels, Spaces(n, OBS, WIDE))


def counters(n_decisions, gamma=0.5):
    """Counters from top to bottom; the top one's number of decisions means nothing."""
    return [
        Counter(n, inputs=WIDE if i else None, scale=10.0**i, gamma=gamma)
        for i, n in enumerate(n_decisions)
    ]


def step(hierarchy, time, reward=0.0, ends="", active=None):
    """Take a step from a time to the next; ends names what ended, by instance."""
    n = hierarchy.n_instances
    ends = np.array(list(ends.ljust(n, "-")))
    obs = np.full((n, 1), time, np.float32)
    action = hierarchy.get_action(obs, active)
    reward = np.broadcast_to(np.asarray(reward, float), (n,))
    hierarchy.process_transition(obs + 1, reward, ends == "T", ends == "t")
    return action[:, 0]


# By hand


def test_a_level_over_a_sequence_of_three():
    hierarchy = build([Counter(gamma=0.5), ActionSequenceLevel(3)])
    for time, reward in enumerate([1, 2, 4, 8]):
        step(hierarchy, time, reward)
    (told,) = hierarchy.levels[0].transitions[0]
    assert (told.obs[0], told.next_obs[0]) == (0, 3)
    assert told.reward == 1 + 0.5 * 2 + 0.25 * 4
    assert told.n_env_steps == 3 and told.level_input is None
    assert not told.terminated and not told.truncated
    np.testing.assert_array_equal(told.action, [1, 1, 1])


@pytest.mark.parametrize("end", ["T", "t"])
def test_the_end_of_an_episode_ends_the_decisions_of_all_levels(end):
    hierarchy = build(counters([1, 2, 3]))
    for time in range(4):
        step(hierarchy, time, 1.0, ends=end if time == 3 else "")
    top, middle, bottom = (level.transitions[0] for level in hierarchy.levels)
    assert [told.n_env_steps for told in top] == [4]
    assert [told.n_env_steps for told in middle] == [3, 1]
    assert [told.n_env_steps for told in bottom] == [1] * 4
    for level in (top, middle, bottom):
        over = [(told.terminated, told.truncated) for told in level]
        assert over == [(False, False)] * (len(level) - 1) + [(end == "T", end == "t")]
    assert top[0].reward == 1 + 0.5 + 0.25 + 0.125
    # The next episode begins from nothing: everyone decides, the first number again.
    step(hierarchy, 100)
    for level, number in zip(hierarchy.levels, (1, 10, 100), strict=True):
        seen, _, action = level.decisions[0][-1]
        assert seen[0] == 100 and action[0] == number


def test_an_instance_at_rest_is_left_alone():
    hierarchy = build(counters([1, 3]), n=2)
    for time, active in enumerate([[True, True], [True, False], [True, False]]):
        step(hierarchy, time, 1.0, active=np.array(active))
    assert [len(told) for told in hierarchy.levels[0].transitions] == [1, 0]
    for time in (3, 4):
        step(hierarchy, time, 1.0, active=np.array([False, True]))
    (told,) = hierarchy.levels[0].transitions[1]
    assert (told.obs[0], told.next_obs[0], told.n_env_steps) == (0, 5, 3)
    assert told.reward == 1 + 0.5 + 0.25


def test_the_end_of_an_instance_at_rest_is_not_its_end():
    hierarchy = build(counters([1, 3]), n=2)
    step(hierarchy, 0, ends="-T", active=np.array([True, False]))
    step(hierarchy, 1)
    assert hierarchy.levels[1].transitions[1][0].terminated == np.False_
    assert len(hierarchy.levels[1].transitions[1]) == 1


def test_one_instances_action_is_not_sent_to_all():
    hierarchy = build([Counter(scale=7.0)], n=3)
    step(hierarchy, 0, active=np.array([False, True, False]))
    step(hierarchy, 1, active=np.array([False, True, True]))
    action = hierarchy.get_action(np.zeros((3, 1), np.float32))[:, 0]
    assert action.tolist() == [7, 21, 14]


def test_what_leaves_the_space_by_rounding_is_brought_back_for_all():
    narrow = spaces.Box(-1.0, 1.0, (1,), np.float32)
    levels = [Counter(scale=1.000005), Counter(inputs=narrow, scale=-1.000005)]
    hierarchy = Hierarchy(levels, Spaces(1, OBS, narrow))
    assert step(hierarchy, 0).tolist() == [-1.0]
    top, bottom = (level.transitions[0][0] for level in hierarchy.levels)
    assert (top.action, bottom.level_input, bottom.action) == (1.0, 1.0, -1.0)
    assert hierarchy.levels[1].decisions[0][0][1] == 1.0


def test_nobody_needs_an_action():
    hierarchy = build(counters([1, 2]), n=2)
    action = step(hierarchy, 0, active=np.zeros(2, bool))
    assert action.tolist() == [0, 0]
    assert not any(hierarchy.levels[0].decisions)
    assert hierarchy.n_env_steps == 0


def test_actions_of_instances_at_rest_are_legal():
    far = spaces.Box(2.0, 3.0, (1,), np.float32)
    hierarchy = Hierarchy([ConstantLevel((2.5,))], Spaces(2, OBS, far))
    obs = np.zeros((2, 1), np.float32)
    action = hierarchy.get_action(obs, np.array([True, False]))
    assert action[0] == 2.5 and far.contains(action[1])


def test_a_reset_from_outside_drops_decisions_in_progress():
    hierarchy = build(counters([1, 3]), n=2)
    step(hierarchy, 0, 1.0)
    hierarchy.reset(np.array([1]))
    for time in (1, 2):
        step(hierarchy, time, 1.0)
    assert [len(told) for told in hierarchy.levels[0].transitions] == [1, 0]
    step(hierarchy, 3, 1.0)
    (told,) = hierarchy.levels[0].transitions[1]
    assert (told.obs[0], told.n_env_steps) == (1, 3)


def test_a_step_is_reported_only_once():
    hierarchy = build(counters([1, 3]))
    step(hierarchy, 0, 1.0)
    nothing = np.zeros(1)
    hierarchy.process_transition(np.ones((1, 1)), nothing + 5, nothing, nothing)
    hierarchy.get_action(np.zeros((1, 1)))
    hierarchy.reset()
    hierarchy.process_transition(np.ones((1, 1)), nothing + 5, nothing, nothing)
    assert len(hierarchy.levels[1].transitions[0]) == 1
    assert hierarchy.n_env_steps == 1


def test_a_level_that_does_not_say_who_hands_back_is_refused():
    class Silent(Counter):
        def build(self, spec):
            return SilentCounter(spec, self)

    class SilentCounter(RunningCounter):
        def process_transition(self, transition):
            return np.ones(len(transition.instances), int)

    with pytest.raises(ShapeError, match="level 0 .SilentCounter.*2 instances"):
        step(build([Silent()], n=2), 0)


# By brute force


class Told(NamedTuple):
    """What a level ought to be told of one decision."""

    obs: float
    next_obs: float
    reward: float
    n_env_steps: int
    terminated: bool
    truncated: bool


def told_by_cutting(steps, length, gamma):
    """Cut episodes into decisions of a length; the last one of an episode is shorter."""
    decisions, current = [], []
    for one in steps:
        current.append(one)
        is_over = one["terminated"] or one["truncated"]
        if len(current) == length or is_over:
            decisions.append(
                Told(
                    current[0]["time"],
                    one["time"] + 1,
                    sum(gamma**i * s["reward"] for i, s in enumerate(current)),
                    len(current),
                    one["terminated"],
                    one["truncated"],
                )
            )
            current = []
    return decisions


@pytest.mark.parametrize("gamma", [1.0, 0.5])
@pytest.mark.parametrize(
    "n_decisions", [(1,), (1, 1), (1, 3), (1, 2, 3), (1, 3, 1, 2), (1, 2, 2, 2)]
)
def test_staggered_episodes_of_partly_active_instances(n_decisions, gamma):
    n, rng = 4, np.random.default_rng(0)
    hierarchy = build(counters(n_decisions, gamma), n)
    streams = [[] for _ in range(n)]
    for time in range(300):
        active = rng.random(n) < 0.7
        reward = rng.integers(-4, 5, n).astype(float)
        ends = rng.choice(list("Tt----------"), n)
        step(hierarchy, time, reward, "".join(ends), active)
        for i in np.flatnonzero(active):
            streams[i].append(
                {
                    "time": time,
                    "reward": reward[i],
                    "terminated": ends[i] == "T",
                    "truncated": ends[i] == "t",
                }
            )
    for depth, level in enumerate(hierarchy.levels):
        length = prod(n_decisions[depth + 1 :])
        for i in range(n):
            told = [
                Told(
                    x.obs[0],
                    x.next_obs[0],
                    x.reward,
                    x.n_env_steps,
                    x.terminated,
                    x.truncated,
                )
                for x in level.transitions[i]
            ]
            assert told == told_by_cutting(streams[i], length, gamma)
    assert hierarchy.n_env_steps == sum(map(len, streams))


def test_each_decision_is_told_with_the_input_it_was_taken_for():
    n, rng = 3, np.random.default_rng(0)
    hierarchy = build(counters((1, 2, 3)), n)
    for time in range(60):
        ends = "".join(rng.choice(list("Tt--------"), n))
        step(hierarchy, time, 0.0, ends, rng.random(n) < 0.7)
    for above, level in zip(hierarchy.levels, hierarchy.levels[1:], strict=False):
        for i in range(n):
            given = {d[2][0] for d in above.decisions[i]}
            asked = [(d[1][0], d[2][0]) for d in level.decisions[i]]
            told = [(t.level_input[0], t.action[0]) for t in level.transitions[i]]
            assert told == asked[: len(told)] and len(asked) - len(told) <= 1
            assert {number for number, _ in asked} <= given
            # At the start of an episode both count from one.
            assert all(
                number == above._recipe.scale
                for number, own in asked
                if own == level._recipe.scale
            )
