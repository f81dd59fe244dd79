"""Where the time of training goes."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Adds up the wall-clock time that the parts of some work take.

    Work that a device does by itself counts where it is waited for.

    Attributes:
        seconds: By part, over all sessions of a run that was resumed.
    """

    def __init__(self) -> None:
        """Begin with no parts."""
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        """Count the time of a ``with`` block; parts are not to be nested.

        Args:
            part: What the time is counted for.
        """
        start = time.monotonic()
        try:
            yield
        finally:
            passed = time.monotonic() - start
            self.seconds[part] = self.seconds.get(part, 0.0) + passed

    @property
    def total(self) -> float:
        """Seconds of all parts together."""
        return sum(self.seconds.values())

    def numbers(self) -> dict[str, float]:
        """Name the seconds as metrics.

        Returns:
            Seconds so far, ``time/PART_s``.
        """
        return {f"time/{part}_s": seconds for part, seconds in self.seconds.items()}

    def load(self, seconds: Mapping[str, float]) -> None:
        """Go on from where another stopwatch was.

        Args:
            seconds: Its ``seconds``.
        """
        self.seconds = dict(seconds)
