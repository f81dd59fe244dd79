import pytest

from layeredrl.errors import ConfigurationError
from layeredrl.utils.schedules import (
    ConstantSchedule,
    ExponentialSchedule,
    LinearSchedule,
    PiecewiseSchedule,
    Schedule,
    as_schedule,
)

LINEAR = LinearSchedule(1.0, 0.0, duration=100, begin=50)
JUMP = LinearSchedule(1.0, 2.0, duration=0, begin=10)
PIECEWISE = PiecewiseSchedule(((10, 1.0), (20, 3.0), (40, 2.0)))
EXPONENTIAL = ExponentialSchedule(5.0, 1.0, half_life=10)


@pytest.mark.parametrize(
    ("schedule", "step", "value"),
    [
        (ConstantSchedule(0.3), 0, 0.3),
        (ConstantSchedule(0.3), 10**9, 0.3),
        (LINEAR, 0, 1.0),
        (LINEAR, 50, 1.0),
        (LINEAR, 75, 0.75),
        (LINEAR, 150, 0.0),
        (LINEAR, 10**9, 0.0),
        (JUMP, 9, 1.0),
        (JUMP, 10, 2.0),
        (PIECEWISE, 0, 1.0),
        (PIECEWISE, 15, 2.0),
        (PIECEWISE, 30, 2.5),
        (PIECEWISE, 1000, 2.0),
        (PiecewiseSchedule(((5, 7.0),)), 3, 7.0),
        (EXPONENTIAL, 0, 5.0),
        (EXPONENTIAL, 10, 3.0),
        (EXPONENTIAL, 20, 2.0),
        (EXPONENTIAL, 10**9, 1.0),
    ],
)
def test_values_by_hand(schedule, step, value):
    assert schedule(step) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("schedule", [LINEAR, JUMP, PIECEWISE, EXPONENTIAL])
def test_values_are_plain_floats(schedule):
    assert type(schedule(17)) is float


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LinearSchedule(1, 0, duration=-1), "-1"),
        (lambda: PiecewiseSchedule(()), "increasing"),
        (lambda: PiecewiseSchedule(((3, 1.0), (3, 2.0))), "increasing"),
        (lambda: ExponentialSchedule(1, 0, half_life=0), "half-life"),
    ],
)
def test_impossible_schedules_are_refused(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()


def test_numbers_become_constant_schedules():
    schedule = as_schedule(3)
    assert isinstance(schedule, Schedule) and schedule(0) == schedule(99) == 3.0
    assert as_schedule(LINEAR) is LINEAR
