import pytest

from layeredrl.collectors import Stopwatch, stopwatch


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes as told."""

    class Clock:
        now = 5.0

    clock = Clock()
    monkeypatch.setattr(stopwatch.time, "monotonic", lambda: clock.now)
    return clock


def spend(watch, clock, part, seconds):
    with watch.timing(part):
        clock.now += seconds


def test_parts_add_up(clock):
    watch = Stopwatch()
    assert watch.total == 0.0 and watch.numbers() == {}
    spend(watch, clock, "acting", 2.0)
    clock.now += 100.0  # nobody's
    spend(watch, clock, "learning", 3.0)
    spend(watch, clock, "acting", 0.5)
    assert watch.seconds == {"acting": 2.5, "learning": 3.0}
    assert watch.total == 5.5
    assert watch.numbers() == {"time/acting_s": 2.5, "time/learning_s": 3.0}


def test_what_failed_took_its_time_too(clock):
    watch = Stopwatch()
    with pytest.raises(ZeroDivisionError):
        with watch.timing("saving"):
            clock.now += 1.5
            1 / 0
    assert watch.seconds == {"saving": 1.5}


def test_goes_on_from_another(clock):
    first, second = Stopwatch(), Stopwatch()
    spend(first, clock, "acting", 2.0)
    spend(second, clock, "learning", 9.0)
    second.load(first.seconds)
    spend(second, clock, "acting", 1.0)
    assert second.seconds == {"acting": 3.0}
    assert first.seconds == {"acting": 2.0}
