import numpy as np
import pytest

from layeredrl.errors import ConfigurationError
from layeredrl.levels import Exploration
from layeredrl.levels.exploration import RunningExploration
from layeredrl.utils.schedules import LinearSchedule

N = 4
ALL = np.arange(N)


class Tally:
    """Stands for a generator: counts draws and returns what it is told to."""

    def __init__(self, numbers):
        self.numbers = list(numbers)

    def random(self, n):
        return np.array([self.numbers.pop(0) for _ in range(n)])


def running(**settings):
    config = Exploration(**{"warm_up_env_steps": 0, **settings})
    return RunningExploration(config, N, 1)


def test_warm_up_is_random_for_all_and_draws_nothing():
    exploration = running(warm_up_env_steps=10, random_probability=0.5)
    for step in (0, 9):
        assert exploration.choose(ALL, step, Tally([])).all()
    assert not exploration.choose(ALL, 10, Tally([1.0] * N)).any()


def test_phases_begin_and_last_in_each_instance_by_itself():
    exploration = running(random_probability=0.5, random_duration=3)
    chosen = [
        exploration.choose(rows, 0, Tally(draws)).tolist()
        for rows, draws in (
            (ALL, [0.1, 0.9, 0.9, 0.9]),  # instance 0 begins
            (ALL, [0.1, 0.1, 0.9, 0.9]),  # within a phase none begins; 1 begins
            (np.array([0, 2]), [0.9, 0.9]),  # last of 0, while 1 rests
            (ALL, [0.9] * N),
            (ALL, [0.9] * N),
            (ALL, [0.9] * N),
        )
    ]
    assert chosen == [
        [True, False, False, False],
        [True, True, False, False],
        [True, False],
        [False, True, False, False],
        [False, True, False, False],
        [False] * N,
    ]


def test_the_probability_is_kept():
    exploration = running(random_probability=0.3)
    rng = np.random.default_rng(0)
    chosen = np.mean([exploration.choose(ALL, 0, rng) for _ in range(1000)])
    assert chosen == pytest.approx(0.3, abs=0.03)


def test_without_probability_nothing_is_drawn():
    assert not running().choose(ALL, 0, Tally([])).any()


def test_probability_and_noise_follow_schedules():
    fading = LinearSchedule(1.0, 0.0, 100)
    exploration = running(random_probability=fading, noise_std=fading)
    assert exploration.choose(ALL, 0, Tally([0.99] * N)).all()
    assert not exploration.choose(ALL, 100, Tally([])).any()
    assert [exploration.noise_std(step) for step in (0, 25, 100)] == [1.0, 0.75, 0.0]


def hold(exploration, rows, value):
    fresh = np.full((len(rows), 1), value, np.float32)
    return exploration.hold(np.asarray(rows), fresh)[:, 0].tolist()


def test_random_actions_are_held_in_each_instance_by_itself():
    exploration = running(hold=3)
    assert hold(exploration, [0, 1], 1.0) == [1.0, 1.0]
    assert hold(exploration, [0, 2], 2.0) == [1.0, 2.0]
    assert hold(exploration, [2, 0], 3.0) == [2.0, 1.0]
    assert hold(exploration, [0, 1, 2], 4.0) == [4.0, 1.0, 2.0]


def test_an_action_is_not_held_over_planned_ones():
    exploration = running(hold=3, random_probability=0.5)
    assert hold(exploration, [0, 1], 1.0) == [1.0, 1.0]
    exploration.let_go(np.array([0]))  # instance 0 plans
    assert hold(exploration, [0, 1], 2.0) == [2.0, 1.0]


def test_the_end_of_an_episode_ends_phase_and_hold():
    exploration = running(random_probability=0.5, random_duration=9, hold=9)
    assert exploration.choose(ALL, 0, Tally([0.1] * N)).all()
    hold(exploration, ALL, 1.0)
    exploration.reset(np.array([1, 3]))
    assert exploration.choose(ALL, 0, Tally([0.9] * N)).tolist() == [True, False] * 2
    assert hold(exploration, ALL, 2.0) == [1.0, 2.0, 1.0, 2.0]


def test_state_round_trip():
    one, other = (
        running(random_probability=0.5, random_duration=3, hold=3) for _ in "ab"
    )
    one.choose(ALL, 0, Tally([0.1, 0.1, 0.9, 0.9]))
    hold(one, [0, 2], 1.0)
    other.load_state_dict(one.state_dict())
    for exploration in (one, other):
        assert exploration.choose(ALL, 0, Tally([0.9] * N)).tolist() == [
            True,
            True,
            False,
            False,
        ]
        exploration.let_go(ALL[2:])
        assert hold(exploration, ALL, 5.0) == [1.0, 5.0, 5.0, 5.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"warm_up_env_steps": -1},
        {"warm_up_env_steps": float("nan")},
        {"random_duration": 0},
        {"hold": 0},
        {"random_probability": 1.5},
        {"random_probability": -0.5},
        {"noise_std": -0.5},
        {"noise_std": float("nan")},
    ],
)
def test_numbers_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigurationError, match=str(next(iter(wrong.values())))):
        Exploration(**wrong)


@pytest.mark.parametrize(
    "settings, is_active",
    [
        ({}, False),
        ({"random_duration": 5, "hold": 5}, False),
        ({"random_probability": LinearSchedule(0.0, 0.5, 10)}, True),
        ({"warm_up_env_steps": 1}, True),
        ({"random_probability": 0.1}, True),
        ({"noise_std": 0.1}, True),
        ({"noise_std": LinearSchedule(0.0, 0.5, 10)}, True),
    ],
)
def test_whether_any_decision_is_other_than_asked_for(settings, is_active):
    assert Exploration(**{"warm_up_env_steps": 0, **settings}).is_active is is_active
