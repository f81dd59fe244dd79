"""The contract of all learners: a recipe, and the learner it is built into."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from tianshou.data import ReplayBuffer
from torch import Tensor

from layeredrl.errors import SpaceError
from layeredrl.nets.encoder import TensorObservation
from layeredrl.predictors.trajectory_batch import (
    TrajectoryBatch,
    sample_trajectory_batch,
)
from layeredrl.utils.observation_maps import Shape
from layeredrl.utils.spaces import VECTOR_KEY

END_FLAG = "handed_back"
"""Entry of a stored decision's info, where a level above asks for something: whether what
it had asked for was over then. Stretches of decisions end there."""


@dataclass(frozen=True)
class LearnerSpec:
    """What a learner is told of the place where it learns."""

    obs_shape: Shape
    """Shape of what its policy sees, (O,), or a dict where images stay apart. What the
    level is asked to do comes last in the vector."""
    n_condition: int
    """How many of the last vector features say what it is asked to do."""
    action_space: spaces.Space
    """Space of its decisions, ``Box`` or ``Discrete``."""
    n_instances: int
    """Environment instances."""
    device: torch.device
    """Where its networks live."""
    seed: np.random.SeedSequence
    """Seeds everything that it draws, initial weights included."""

    def vector_dim(self) -> int:
        """Count the features of observations, for learners that see no images.

        Returns:
            Number of vector features O.

        Raises:
            SpaceError: If there are images, too.
        """
        shape = self.obs_shape
        if isinstance(shape, dict):
            images = sorted(set(shape) - {VECTOR_KEY})
            if images:
                raise SpaceError(
                    f"this learner sees one vector and no images, but there are {images}; "
                    "leave them out with an observation map, or take a learner that sees"
                )
            shape = shape[VECTOR_KEY]
        return math.prod(shape)


class Situation(NamedTuple):
    """Where some environment instances are when they decide.

    Attributes:
        obs: What the policy sees, (B, O) float32, or a dict of such.
        prev_action: Features of the previous decision, zeros at the start of an episode,
            (B, A).
        prev_reward: Reward of the previous decision, 0 at the start, (B,).
        time_idx: Decisions since the episode began, (B,) int64.
        instances: Which instances the rows belong to, (B,) int64.
    """

    obs: TensorObservation
    prev_action: Tensor
    prev_reward: Tensor
    time_idx: Tensor
    instances: np.ndarray


class LearnerConfig(ABC):
    """An immutable description of a learner; what users construct.

    A frozen dataclass of numbers, names and factories.
    """

    @abstractmethod
    def build(self, spec: LearnerSpec) -> "Learner":
        """Build the learner.

        Args:
            spec: Where it will learn.

        Returns:
            The learner, ready to act.

        Raises:
            SpaceError: If it cannot see or act in these spaces.
        """


class Learner(ABC):
    """Learns a policy from replayed decisions.

    Attributes:
        spec: Where it learns.
        gamma: Discount per environment step.
        n_steps: Length T of the stretches of episodes that it learns from.
        max_seq_len: Longest sequence that its memory is shown [decisions]; ``None`` for
            policies without memory.
        learns_from_whole: Whether it can learn from every step of longer stretches.
        is_on_policy: Whether it learns from everything that was stored since it last
            learned, once, instead of from samples.
    """

    gamma: float
    n_steps: int = 1
    max_seq_len: int | None = None
    is_on_policy: bool = False
    learns_from_whole: bool = False

    def __init__(self, spec: LearnerSpec):
        """Store where it learns.

        Args:
            spec: Where it learns.
        """
        self.spec = spec

    @abstractmethod
    def act(self, situation: Situation, explore: bool) -> Tensor:
        """Decide; the memory of these instances advances.

        Args:
            situation: Where they are.
            explore: Whether to explore; else decisions are as good as it can and draw no
                random numbers.

        Returns:
            Action features in units of the action space, (B, A), detached.
        """

    @abstractmethod
    def update(self, batch: TrajectoryBatch) -> dict[str, Tensor]:
        """Take one update, or the pass over fresh experience if on-policy.

        Args:
            batch: Stretches of T steps at most.

        Returns:
            Scalars to log, detached.
        """

    def count_decisions(self, n: int) -> None:
        """Count decisions that were taken while exploring, here or in an acting copy.

        Args:
            n: Their number.
        """
        return None

    def sample(self, buffer: ReplayBuffer, batch_size: int) -> TrajectoryBatch:
        """Sample what an update needs.

        Args:
            buffer: Where decisions are stored.
            batch_size: Number of stretches B.

        Returns:
            The stretches.
        """
        return sample_trajectory_batch(
            buffer,
            batch_size,
            self.n_steps,
            Tensor.float,
            self.spec.device,
            self.max_seq_len,
            end_flag=END_FLAG,
        )

    def reset(self, instances: np.ndarray) -> None:
        """Forget the episode of some instances.

        Args:
            instances: Which ones, (B,) int64.
        """
        return None

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes, generators and memory included.

        Returns:
            Tensors, arrays and plain values.
        """

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """

    @abstractmethod
    def acting_state(self) -> dict[str, Any]:
        """Copy what acting needs, and nothing that belongs to an instance.

        Returns:
            Weights, statistics and the counters that change behaviour.
        """

    @abstractmethod
    def load_acting_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`acting_state` returned, possibly of another learner.

        Args:
            state: The state.
        """
