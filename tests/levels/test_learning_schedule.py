import pytest

from layeredrl.errors import ConfigurationError
from layeredrl.levels import LearningSchedule

SCHEDULE = LearningSchedule(
    start_env_steps=100, interval_env_steps=50, updates_per_env_step=0.3
)


@pytest.mark.parametrize(
    "now, last, taken, owed",
    [
        (99, 0, 0, 0),  # too early
        (100, 0, 0, 30),  # made up for from the beginning
        (149, 100, 30, 0),  # within the interval
        (150, 100, 30, 15),
        (153, 100, 30, 15),  # 45.9 are due in all
        (150, 100, 60, 0),  # never negative
    ],
)
def test_updates_owed(now, last, taken, owed):
    assert SCHEDULE.updates_owed(now, last, taken) == owed


@pytest.mark.parametrize("step", [1, 7, 50, 333])
def test_in_the_long_run_updates_are_in_proportion_to_steps(step):
    taken = last = 0
    for now in range(0, 10_000, step):
        owed = SCHEDULE.updates_owed(now, last, taken)
        if owed:
            taken, last = taken + owed, now
    assert taken == pytest.approx(0.3 * now, abs=0.3 * (50 + step))


def test_zero_never_learns():
    schedule = LearningSchedule(updates_per_env_step=0)
    assert schedule.updates_owed(10**9, 0, 0) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval_env_steps": 0},
        {"batch_size": 0},
        {"model_batch_size": -1},
        {"updates_per_env_step": -0.1},
        {"start_env_steps": -1},
        {"start_env_steps": float("nan")},
        {"interval_env_steps": float("nan")},
        {"updates_per_env_step": float("nan")},
    ],
)
def test_numbers_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigurationError, match=str(next(iter(wrong.values())))):
        LearningSchedule(**wrong)


@pytest.mark.parametrize(
    "now, last, is_due",
    [
        (99, 0, False),  # too early
        (100, 0, True),
        (130, 0, True),
        (149, 100, False),  # within the interval
        (150, 100, True),
        (500, 100, True),
    ],
)
def test_when_it_is_time(now, last, is_due):
    assert SCHEDULE.is_due(now, last) is is_due


def test_without_a_start_the_first_interval_is_waited_for():
    schedule = LearningSchedule(start_env_steps=0, interval_env_steps=10)
    assert [schedule.is_due(now, 0) for now in (0, 9, 10)] == [False, False, True]
