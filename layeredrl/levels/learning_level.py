"""What levels at work have in common that store their decisions and learn from them."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.levels.decision_outbox import DecisionOutbox, ForwardedDecisions
from layeredrl.levels.decision_store import DecisionStore, decision_rows
from layeredrl.levels.exploration import Exploration, RunningExploration
from layeredrl.levels.learning_schedule import LearningSchedule
from layeredrl.levels.level import LevelSpec, RunningLevel
from layeredrl.predictors.hindsight import Hindsight
from layeredrl.types import Transition
from layeredrl.utils.action_sampling import sample_features
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.checkpoints import to_array
from layeredrl.utils.seeding import (
    numpy_generator,
    numpy_generator_state,
    set_numpy_generator_state,
)
from layeredrl.utils.spaces import action_dim, inner_bounds


class LearningLevel(RunningLevel):
    """A level that explores, keeps a replay buffer, and learns when it is due.

    Attributes:
        n_env_steps: Environment steps that its finished training decisions took.
        n_updates: Updates so far.
    """

    def __init__(
        self,
        spec: LevelSpec,
        exploration: Exploration,
        learning: LearningSchedule,
        buffer_size: int,
        seeds: Sequence[np.random.SeedSequence],
    ):
        """Make the buffer.

        Args:
            spec: Where it will run.
            exploration: When it acts at random instead.
            learning: When and how much it learns.
            buffer_size: Decisions kept, over all instances.
            seeds: Seed exploration and replay.

        Raises:
            SpaceError: If noise is asked for on actions without bounds.
            ConfigurationError: If it is asked for on discrete actions.
        """
        super().__init__(spec)
        self._schedule = learning
        drawing, replay = seeds
        self._generator = numpy_generator(drawing)
        self._store: DecisionStore | None = None
        self._outbox: DecisionOutbox | None = None
        if spec.keeps_buffer:
            buffer = TransitionBuffer(buffer_size, spec.n_instances, replay)
            self._store = DecisionStore(buffer)
        self._action_dim = action_dim(spec.action_space)
        self._exploration = RunningExploration(
            exploration, spec.n_instances, self._action_dim
        )
        self._noise_range = _noise_range(spec.action_space, exploration)
        self._was_random = np.zeros(spec.n_instances, dtype=bool)
        self.n_env_steps = self.n_updates = self._last_learned = 0

    @property
    def buffer(self) -> TransitionBuffer | None:
        """Its decisions; ``None`` in an acting copy."""
        return None if self._store is None else self._store.buffer

    @property
    def path_columns(self) -> tuple[int, ...]:
        """Achieved goals, where relabelled decisions are paid for those on the way."""
        hindsight = self._relabelling
        if hindsight is None or self.spec.decision_interval == 1:
            return ()
        return () if hindsight.decision_reward == "last" else hindsight.achieved

    @property
    def _relabelling(self) -> Hindsight | None:
        """How its sampled experience is relabelled."""
        return None

    @abstractmethod
    def _take_updates(self, n_updates: int, n_total_env_steps: int) -> dict[str, float]:
        """Learn from the buffer; return numbers to log."""

    def learn(self, n_total_env_steps: int) -> dict[str, float]:
        """Take the updates that are due."""
        if not self.is_training or self.buffer is None or len(self.buffer) == 0:
            return {}
        n_updates = self._updates_owed(n_total_env_steps)
        if n_updates == 0:
            return {}
        numbers = self._take_updates(n_updates, n_total_env_steps)
        self._last_learned = n_total_env_steps
        self.n_updates += n_updates
        return numbers | {"n_updates": float(self.n_updates)}

    def reset(self, instances: np.ndarray) -> None:
        """End random phases; what is stored next begins an episode."""
        self._exploration.reset(instances)
        self._skip(instances)

    def start_forwarding(self) -> None:
        """Hand decisions out, whether they are stored or not."""
        self._outbox = DecisionOutbox()

    def take_forwarded(self) -> ForwardedDecisions | None:
        """Hand out what there is since the last time."""
        return None if self._outbox is None else self._outbox.take()

    def add_forwarded(self, forwarded: ForwardedDecisions) -> None:
        """Store the decisions as its own."""
        assert self._store is not None
        if forwarded.rows is not None:
            self.n_env_steps += int(forwarded.rows.info.n_env_steps.sum())
            self._store.add(forwarded.rows, forwarded.instances)
        self._store.skip(forwarded.skipped)

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes, but for the replay buffer."""
        return {
            "generator": numpy_generator_state(self._generator),
            "exploration": self._exploration.state_dict(),
            "was_random": self._was_random.copy(),
            "counters": self._counters(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore everything but the replay buffer."""
        set_numpy_generator_state(self._generator, state["generator"])
        self._exploration.load_state_dict(state["exploration"])
        self._was_random = to_array(state["was_random"])
        self._load_counters(state["counters"])
        # Unless its buffer is loaded next, it is another.
        self._skip(np.arange(self.spec.n_instances))

    def acting_state(self) -> dict[str, Any]:
        """Copy the counters, by which exploration falls."""
        return {"counters": self._counters()}

    def load_acting_state(self, state: dict[str, Any]) -> None:
        """Restore the counters."""
        self._load_counters(state["counters"])

    def replay_buffers(self) -> dict[str, TransitionBuffer]:
        """Name the one replay buffer."""
        return {} if self.buffer is None else {"replay": self.buffer}

    def buffer_state(self) -> dict[str, Any]:
        """Copy the replay buffer."""
        return {} if self.buffer is None else self.buffer.state_dict()

    def load_buffer_state(self, state: dict[str, Any]) -> None:
        """Restore the replay buffer."""
        if self.buffer is not None and state:
            self.buffer.load_state_dict(state)

    def _updates_owed(self, n_total_env_steps: int) -> int:
        return self._schedule.updates_owed(
            n_total_env_steps, self._last_learned, self.n_updates
        )

    def _remember(
        self,
        transition: Transition,
        reward: np.ndarray,
        time_idx: np.ndarray,
        **info: np.ndarray,
    ) -> None:
        """Store decisions in training; note that they are left out otherwise."""
        instances = transition.instances
        if transition.path is not None:
            info["achieved_goals"] = transition.path
        if not self.is_training:
            self._skip(instances)
            return
        self.n_env_steps += int(transition.n_env_steps.sum())
        if not self._keepers:
            return
        was_random = self._was_random[instances]
        rows = decision_rows(transition, reward, was_random, time_idx, **info)
        for keeper in self._keepers:
            keeper.add(rows, instances)

    def _skip(self, instances: np.ndarray) -> None:
        for keeper in self._keepers:
            keeper.skip(instances)

    @property
    def _keepers(self) -> list[DecisionStore | DecisionOutbox]:
        return [place for place in (self._store, self._outbox) if place is not None]

    def _choose_random(self, instances: np.ndarray) -> np.ndarray:
        """Decide who acts at random this time, (B,) bool."""
        is_random = np.zeros(len(instances), dtype=bool)
        if self.is_training:
            is_random = self._exploration.choose(
                instances, self.n_env_steps, self._generator
            )
        self._was_random[instances] = is_random
        return is_random

    def _random_actions(self, instances: np.ndarray) -> np.ndarray:
        fresh = sample_features(self.spec.action_space, len(instances), self._generator)
        return self._exploration.hold(instances, fresh)

    def _noisy(self, action: np.ndarray) -> np.ndarray:
        """Add exploration noise while training."""
        std = self._exploration.noise_std(self.n_env_steps)
        if not self.is_training or std == 0.0 or self._noise_range is None:
            return action
        low, high = self._noise_range
        noise = self._generator.standard_normal(action.shape, dtype=np.float32)
        return np.clip(action + 0.5 * std * (high - low) * noise, low, high)

    def _counters(self) -> dict[str, int]:
        return {
            "n_env_steps": self.n_env_steps,
            "n_updates": self.n_updates,
            "last_learned": self._last_learned,
        }

    def _load_counters(self, counters: dict[str, int]) -> None:
        self.n_env_steps = counters["n_env_steps"]
        self.n_updates = counters["n_updates"]
        self._last_learned = counters["last_learned"]


def _noise_range(
    space: spaces.Space, exploration: Exploration
) -> tuple[np.ndarray, np.ndarray] | None:
    if exploration.noise_std == 0.0:
        return None
    if not isinstance(space, spaces.Box):
        raise ConfigurationError(
            f"Gaussian noise needs bounded Box actions, got {space}; use random_probability"
        )
    if not space.is_bounded():
        raise SpaceError(f"Gaussian noise needs bounded Box actions, got {space}")
    return inner_bounds(space)
