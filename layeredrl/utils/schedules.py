"""Numbers that depend on how many environment steps have been taken."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from layeredrl.errors import ConfigurationError


class Schedule(ABC):
    """A number as a function of the total number of environment steps."""

    @abstractmethod
    def __call__(self, n_total_env_steps: int) -> float:
        """Evaluate the schedule.

        Args:
            n_total_env_steps: Environment steps taken so far, over all instances.

        Returns:
            The value at that step.
        """


@dataclass(frozen=True)
class ConstantSchedule(Schedule):
    """The same value at every step."""

    value: float
    """Returned always."""

    def __call__(self, n_total_env_steps: int) -> float:
        """Return the constant."""
        return self.value


@dataclass(frozen=True)
class LinearSchedule(Schedule):
    """From one value to another in a straight line, constant before and after."""

    start: float
    """Value up to ``begin``."""
    end: float
    """Value from ``begin + duration`` on."""
    duration: int
    """Environment steps between the two; 0 is a jump."""
    begin: int = 0
    """Environment steps before anything changes."""

    def __post_init__(self) -> None:
        """Refuse a negative duration."""
        if self.duration < 0:
            raise ConfigurationError(
                f"a schedule's duration must not be negative, got {self.duration}"
            )

    def __call__(self, n_total_env_steps: int) -> float:
        """Interpolate between the two ends."""
        elapsed = n_total_env_steps - self.begin
        if elapsed < 0:
            return self.start
        if elapsed >= self.duration:
            return self.end
        return self.start + (self.end - self.start) * elapsed / self.duration


@dataclass(frozen=True)
class PiecewiseSchedule(Schedule):
    """Linear between given points, constant outside them."""

    points: tuple[tuple[int, float], ...]
    """Pairs of (environment step, value), steps strictly increasing."""

    def __post_init__(self) -> None:
        """Refuse points that are missing or not in order."""
        steps = [step for step, _ in self.points]
        if not steps or any(b <= a for a, b in zip(steps, steps[1:], strict=False)):
            raise ConfigurationError(
                "a piecewise schedule needs points with strictly increasing steps, "
                f"got {self.points}"
            )

    def __call__(self, n_total_env_steps: int) -> float:
        """Interpolate between the two nearest points."""
        steps, values = zip(*self.points, strict=True)
        return float(np.interp(n_total_env_steps, steps, values))


@dataclass(frozen=True)
class ExponentialSchedule(Schedule):
    """Decays from a start towards a floor; the distance halves every half-life."""

    start: float
    """Value at step 0."""
    end: float
    """Value approached in the limit."""
    half_life: float
    """Environment steps in which the distance to ``end`` halves, positive."""

    def __post_init__(self) -> None:
        """Refuse a half-life that is not positive."""
        if self.half_life <= 0:
            raise ConfigurationError(
                f"a schedule's half-life must be positive, got {self.half_life}"
            )

    def __call__(self, n_total_env_steps: int) -> float:
        """Evaluate the decay."""
        remaining = 0.5 ** (n_total_env_steps / self.half_life)
        return self.end + (self.start - self.end) * remaining


def as_schedule(value: Schedule | float) -> Schedule:
    """Read a plain number as a constant schedule.

    Args:
        value: A schedule or a number.

    Returns:
        A schedule.
    """
    return value if isinstance(value, Schedule) else ConstantSchedule(float(value))
