"""Ratios of processor time, measured side by side."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

Work = Callable[[], object]


@dataclass(frozen=True)
class Benchmark:
    """A piece of work and the reference it is held against."""

    name: str
    """What is measured."""
    subject: Work
    """Does the work once."""
    reference: Work
    """Does the reference's work once."""
    target: float
    """The subject's time should be at most so many times the reference's."""
    reference_name: str
    """What the reference does."""


@dataclass(frozen=True)
class Measurement:
    """What came out."""

    name: str
    """What was measured."""
    subject_ms: float
    """Median processor time of the subject, milliseconds."""
    reference_ms: float
    """Median processor time of the reference, milliseconds."""
    ratio: float
    """Median over rounds of subject time over reference time."""
    ratio_low: float
    """Lower quartile of the ratio over rounds."""
    ratio_high: float
    """Upper quartile of the ratio over rounds."""
    target: float
    """At most this is wanted."""
    reference_name: str
    """What the reference does."""

    @property
    def is_met(self) -> bool:
        """Whether the target is met."""
        return self.ratio <= self.target


def measure(benchmark: Benchmark, seconds: float) -> Measurement:
    """Alternate between subject and reference, so that both see the same machine.

    Args:
        benchmark: What to measure.
        seconds: About how long.

    Returns:
        The measurement, from at least 5 rounds.
    """
    for _ in range(2):
        benchmark.subject()
        benchmark.reference()
    rounds: list[tuple[float, float]] = []
    deadline = time.monotonic() + seconds
    while len(rounds) < 5 or time.monotonic() < deadline:
        rounds.append((_timed(benchmark.subject), _timed(benchmark.reference)))
    subject, reference = np.array(rounds).T
    low, middle, high = np.quantile(subject / reference, [0.25, 0.5, 0.75])
    return Measurement(
        benchmark.name,
        float(np.median(subject)),
        float(np.median(reference)),
        float(middle),
        float(low),
        float(high),
        benchmark.target,
        benchmark.reference_name,
    )


def measure_all(benchmarks: Iterable[Benchmark], seconds: float) -> list[Measurement]:
    """Measure one after another, with a progress bar.

    Args:
        benchmarks: What to measure.
        seconds: About how long each.

    Returns:
        The measurements.
    """
    measurements = []
    with tqdm(list(benchmarks), unit="benchmark") as bar:
        for benchmark in bar:
            bar.set_description(benchmark.name)
            measurements.append(measure(benchmark, seconds))
    return measurements


def _timed(work: Work) -> float:
    start = time.process_time()
    work()
    return 1e3 * (time.process_time() - start)
