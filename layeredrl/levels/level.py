"""The contract of all levels: a recipe, and the running level it is built into."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.errors import ConfigurationError
from layeredrl.levels.decision_outbox import ForwardedDecisions
from layeredrl.predictors import Predictor
from layeredrl.types import Observation, Transition
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.observation_maps import Shape

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


@dataclass(frozen=True)
class LevelSpec:
    """What a level is told of the place where it runs."""

    obs_shape: Shape
    """Shape of what it sees, (O,), or a dict where images stay apart."""
    input_space: spaces.Space | None
    """Space of what it is asked to do; ``None`` at the top."""
    action_space: spaces.Space
    """Space of its decisions: the input space of the level below, or the environment's
    action space."""
    n_instances: int
    """Environment instances."""
    parent_predictor: Predictor | None
    """Predictor of the level above, to be read only."""
    decision_interval: int
    """Environment steps that one of its decisions nominally takes."""
    device: torch.device
    """Where its networks live."""
    seed: np.random.SeedSequence
    """Seeds everything that it draws, initial weights included."""
    keeps_buffer: bool = True
    """Whether it stores transitions; acting copies do not."""
    shares_view: bool = True
    """Whether the level above, if there is one, sees exactly what this one sees."""
    writer: "SummaryWriter | None" = None
    """Handed to its predictor."""


class Level(ABC):
    """An immutable description of a level; what users construct.

    A frozen dataclass whose fields are numbers, configurations and factories.
    """

    @abstractmethod
    def input_space(self, action_space_below: spaces.Space) -> spaces.Space | None:
        """Say what this level can be asked to do.

        Args:
            action_space_below: Input space of the level below, or the environment's
                action space.

        Returns:
            The space of its inputs; ``None`` if it takes none and can only be on top.

        Raises:
            SpaceError: If it cannot act in the space below.
        """

    @abstractmethod
    def build(self, spec: LevelSpec) -> "RunningLevel":
        """Build the running level.

        Args:
            spec: Where it will run.

        Returns:
            The level, ready to act.
        """

    @property
    def control_interval(self) -> int:
        """Decisions it nominally takes per input from above."""
        return 1


class LevelLog(NamedTuple):
    """What a level tells of itself, beside what its learning comes to.

    Attributes:
        numbers: Numbers by name, ``part/name``.
        samples: Arrays by name whose distribution is worth a look, (D,) each.
    """

    numbers: dict[str, float]
    samples: dict[str, np.ndarray]


class RunningLevel(ABC):
    """A level at work, for all environment instances.

    The hierarchy asks for decisions only where the level is active, and reports back what
    each decision led to. Arrays hold the rows of the listed instances only.

    Attributes:
        spec: Where it runs.
        is_training: Whether it explores, stores and learns.
    """

    def __init__(self, spec: LevelSpec):
        """Start in training mode.

        Args:
            spec: Where it will run.
        """
        self.spec = spec
        self.is_training = True

    @property
    def predictor(self) -> Predictor | None:
        """What the level below may read; ``None`` without one."""
        return None

    @property
    def reward_gamma(self) -> float:
        """Discount per environment step of the rewards within one decision."""
        return 1.0

    @property
    def path_columns(self) -> tuple[int, ...]:
        """Columns of its vector observation that transitions report step by step.

        ``Transition.path`` has them after each environment step of a decision.
        """
        return ()

    @abstractmethod
    def get_action(
        self,
        obs: Observation,
        level_input: np.ndarray | None,
        instances: np.ndarray,
    ) -> np.ndarray:
        """Decide.

        Args:
            obs: What the level sees, (B, O) float32, or a dict of such.
            level_input: What it is asked to do, features (B, I); ``None`` at the top.
            instances: Which instances the rows belong to, (B,) int64.

        Returns:
            Action features (B, A) float32.
        """

    @abstractmethod
    def process_transition(self, transition: Transition) -> np.ndarray:
        """Take note of what decisions led to.

        Args:
            transition: One finished decision per row.

        Returns:
            Whether control is handed back to the level above, (B,) bool. Where an
            episode ended it is handed back anyway.
        """

    @abstractmethod
    def reset(self, instances: np.ndarray) -> None:
        """Forget the episode of some instances.

        Args:
            instances: Which ones, (B,) int64.
        """

    def learn(self, n_total_env_steps: int) -> dict[str, float]:
        """Learn if it is time to.

        Args:
            n_total_env_steps: Environment steps taken so far, over all instances.

        Returns:
            Numbers to log; empty if nothing was learned.
        """
        return {}

    def log(self) -> LevelLog:
        """Tell what was going on in training since the last call, and forget it.

        Returns:
            Numbers and samples; none unless a subclass has some.
        """
        return LevelLog({}, {})

    def train(self) -> None:
        """Explore, store and learn from now on."""
        self.is_training = True

    def eval(self) -> None:
        """Act as well as possible from now on; store and learn nothing."""
        self.is_training = False

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes, but for the replay buffer.

        Returns:
            Tensors, arrays and plain values; never the parent's.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        return None

    def acting_state(self) -> dict[str, Any]:
        """Copy what acting needs, and nothing that belongs to an instance.

        Returns:
            Weights, statistics and the counters that change behaviour; no buffers,
            optimizers or generators.
        """
        return {}

    def load_acting_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`acting_state` returned, possibly of another level.

        Args:
            state: The state.
        """
        return None

    def start_forwarding(self) -> None:
        """Hand out from now on what is to be stored, for a level elsewhere.

        Raises:
            ConfigurationError: If it learns, but does not know how.
        """
        if type(self).learn is not RunningLevel.learn:
            raise ConfigurationError(
                f"{type(self).__name__} cannot collect for a level elsewhere: it learns, "
                "so it has to implement start_forwarding, take_forwarded and add_forwarded"
            )

    def take_forwarded(self) -> ForwardedDecisions | None:
        """Hand out what the last environment step brought.

        Returns:
            What a level like this one stores; ``None`` if it stores nothing.
        """
        return None

    def add_forwarded(self, forwarded: ForwardedDecisions) -> None:
        """Store what a level like this one hands out elsewhere.

        Args:
            forwarded: The decisions of one environment step.
        """
        return None

    def env_steps_of_policy(self, n_total_env_steps: int) -> int | None:
        """Count the environment steps that may be taken before it has to learn.

        Args:
            n_total_env_steps: Environment steps taken so far, over all instances.

        Returns:
            Their number, at least 1, for a level that learns only from what its present
            policy does; ``None`` for one that learns from anything.
        """
        return None

    def replay_buffers(self) -> dict[str, TransitionBuffer]:
        """Name the replay buffers, which checkpoints of runs save chunk by chunk.

        Returns:
            The buffers by name; none in an acting copy.
        """
        return {}

    def buffer_state(self) -> dict[str, Any]:
        """Copy the replay buffer.

        Returns:
            Its state; empty without a buffer.
        """
        return {}

    def load_buffer_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`buffer_state` returned, after :meth:`load_state_dict`.

        Args:
            state: The state.
        """
        return None
