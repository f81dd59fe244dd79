"""The contract of all encoders, with and without memory."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

TensorObservation = Tensor | dict[str, Tensor]
"""Observations (..., O), or a dict of a vector part and images."""
Memory = Any
"""What an encoder carries from step to step; ``None`` for memoryless ones."""


def map_observation(
    obs: TensorObservation, function: Callable[[Tensor], Tensor]
) -> TensorObservation:
    """Apply a function to observations, or to the vector part and each image.

    Args:
        obs: Observations, or a dict of a vector part and images.
        function: What to apply.

    Returns:
        The results, of the same form.
    """
    if isinstance(obs, dict):
        return {key: function(value) for key, value in obs.items()}
    return function(obs)


class Encoder(nn.Module, ABC):
    """Maps observations to a latent state and a context.

    The latent state changes within an episode and is what a model predicts; the context
    is constant within an episode. Encoders without memory implement :meth:`forward`
    alone; those with memory override the memory methods too, so that callers never
    ask which kind they hold.

    Attributes:
        latent_state_dim: Features of the latent state, Z.
        context_dim: Features of the context, C; 0 is legal.
        max_seq_len: Longest sequence that :meth:`sequence` is shown when learning, the
            steps before those that are learned from included [decisions]; ``None`` for
            encoders without memory, to which the past is nothing.
        stretches_per_window: How many of the stretches that are learned from share such
            a sequence: the more, the fewer sequences are to be encoded, and the more
            alike are the stretches of a batch.
    """

    latent_state_dim: int
    context_dim: int
    max_seq_len: int | None = None
    stretches_per_window: int = 1

    @abstractmethod
    def forward(self, obs: TensorObservation) -> tuple[Tensor, Tensor]:
        """Encode observations, each as the first of an episode.

        Args:
            obs: Mapped observations (..., O), or a dict of such.

        Returns:
            Latent state (..., Z) and context (..., C).
        """

    def init_memory(self, n: int, device: torch.device | str) -> Memory:
        """Make the memory of instances that have seen nothing.

        Args:
            n: Number of instances.
            device: Where it lives.

        Returns:
            The memory; ``None`` without memory.
        """
        return None

    def reset_memory(self, memory: Memory, dones: np.ndarray) -> Memory:
        """Forget the past of instances whose episode ended.

        Args:
            memory: The memory of all instances.
            dones: Which instances to reset, (B,) bool.

        Returns:
            The memory.
        """
        return memory

    def gather_memory(self, memory: Memory, instances: np.ndarray) -> Memory:
        """Take out the memory of some instances.

        Args:
            memory: The memory of all instances.
            instances: Which ones, (B,) int64.

        Returns:
            Their memory, in this order.
        """
        return memory

    def scatter_memory(
        self, memory: Memory, instances: np.ndarray, part: Memory
    ) -> Memory:
        """Put back what :meth:`gather_memory` took out.

        Args:
            memory: The memory of all instances.
            instances: Which ones, (B,) int64.
            part: Their new memory.

        Returns:
            The memory of all instances.
        """
        return part

    def memory_state(self, memory: Memory) -> Any:
        """Copy the memory for a checkpoint.

        Args:
            memory: The memory of all instances.

        Returns:
            Tensors and plain values; ``None`` without memory.
        """
        return None

    def load_memory_state(self, state: Any, device: torch.device | str) -> Memory:
        """Restore what :meth:`memory_state` returned.

        Args:
            state: The state.
            device: Where the memory lives.

        Returns:
            The memory.
        """
        return state

    def step(
        self,
        obs: TensorObservation,
        prev_action: Tensor,
        prev_reward: Tensor,
        time_idx: Tensor,
        memory: Memory,
    ) -> tuple[Tensor, Tensor, Memory]:
        """Encode one more observation of each instance.

        Args:
            obs: Mapped observations (B, O), or a dict of such.
            prev_action: Features of the level's previous action, 0 at the start, (B, A).
            prev_reward: Reward of that action, 0 at the start, (B,).
            time_idx: Decisions since the episode began, (B,) int64.
            memory: The instances' memory.

        Returns:
            Latent state (B, Z), context (B, C), the new memory.
        """
        state, context = self(obs)
        return state, context, memory

    def sequence(
        self,
        obs: TensorObservation,
        prev_actions: Tensor,
        prev_rewards: Tensor,
        time_idxs: Tensor,
        mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Encode whole stretches of episodes, as :meth:`step` would one by one.

        Args:
            obs: Mapped observations (B, T, O), or a dict of such.
            prev_actions: Features of the previous actions (B, T, A).
            prev_rewards: Previous rewards (B, T).
            time_idxs: Decisions since the episode began, (B, T) int64.
            mask: Which steps are valid, (B, T).

        Returns:
            Latent states (B, T, Z) and contexts (B, T, C).
        """
        state, context = self(obs)
        return state, context

    def observe(self, obs: TensorObservation, next_obs: TensorObservation) -> None:
        """Update statistics of the data; called once per learning step, before it.

        Args:
            obs: Observations of random transitions (B, O), or a dict of such.
            next_obs: The observations that followed, of the same form.
        """
        return None
