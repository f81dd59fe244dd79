"""When and how much a level learns."""

from dataclasses import dataclass

from layeredrl.errors import ConfigurationError


@dataclass(frozen=True)
class LearningSchedule:
    """Updates in proportion to environment steps, made up for in bursts."""

    start_env_steps: int = 1000
    """Environment steps before the first update; those for them are made up for then."""
    interval_env_steps: int = 200
    """Environment steps between two bursts of updates, at least 1."""
    updates_per_env_step: float = 1.0
    """Updates per environment step, not negative; 0 never learns."""
    batch_size: int = 256
    """Partial trajectories per update."""
    model_batch_size: int = 256
    """Single transitions per update, for the model."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        counts = (self.interval_env_steps, self.batch_size, self.model_batch_size)
        if not all(count >= 1 for count in counts):
            raise ConfigurationError(
                "interval_env_steps, batch_size and model_batch_size must be at least "
                f"1, got {self.interval_env_steps}, {self.batch_size} and "
                f"{self.model_batch_size}"
            )
        if not (self.updates_per_env_step >= 0 and self.start_env_steps >= 0):
            raise ConfigurationError(
                "updates_per_env_step and start_env_steps must not be negative, got "
                f"{self.updates_per_env_step} and {self.start_env_steps}"
            )

    def is_due(self, n_total_env_steps: int, last_env_steps: int) -> bool:
        """Tell whether it is time for a burst of updates.

        Args:
            n_total_env_steps: Environment steps taken so far.
            last_env_steps: Their number at the last burst; 0 before the first.

        Returns:
            Whether it is.
        """
        waited = n_total_env_steps - last_env_steps
        return (
            n_total_env_steps >= self.start_env_steps
            and waited >= self.interval_env_steps
        )

    def env_steps_until_due(self, n_total_env_steps: int, last_env_steps: int) -> int:
        """Count the environment steps until it is time.

        Args:
            n_total_env_steps: Environment steps taken so far.
            last_env_steps: Their number at the last burst; 0 before the first.

        Returns:
            Their number, at least 1.
        """
        due_at = max(self.start_env_steps, last_env_steps + self.interval_env_steps)
        return max(1, due_at - n_total_env_steps)

    def updates_owed(
        self, n_total_env_steps: int, last_env_steps: int, n_updates: int
    ) -> int:
        """Count the updates that are due.

        Args:
            n_total_env_steps: Environment steps taken so far.
            last_env_steps: Their number at the last burst; 0 before the first.
            n_updates: Updates taken so far.

        Returns:
            Number of updates; 0 while it is not time.
        """
        if not self.is_due(n_total_env_steps, last_env_steps):
            return 0
        return max(0, int(self.updates_per_env_step * n_total_env_steps) - n_updates)
