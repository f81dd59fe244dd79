"""What a level remembers of each running episode, in the form encoders want it."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from layeredrl.levels.episode_clock import EpisodeClock
from layeredrl.nets import Encoder
from layeredrl.predictors.replay_tensors import observation_tensors, tensor
from layeredrl.types import Observation


class EpisodeMemory:
    """Feeds an encoder one decision at a time, per environment instance.

    Encoders without memory ignore what it holds.

    Attributes:
        clock: The level's previous action and reward, and the number of decisions since
            the episode began.
    """

    def __init__(
        self, encoder: Encoder, n_instances: int, action_dim: int, device: torch.device
    ):
        """Start with empty episodes.

        Args:
            encoder: Encodes the observations.
            n_instances: Environment instances.
            action_dim: Action features A of the level.
            device: Where the encoder lives.
        """
        self._encoder = encoder
        self._device = device
        self._memory = encoder.init_memory(n_instances, device)
        self._n_instances = n_instances
        self.clock = EpisodeClock(n_instances, action_dim)

    def encode(self, obs: Observation, instances: np.ndarray) -> tuple[Tensor, Tensor]:
        """Encode the observations at which instances decide; memory advances.

        Args:
            obs: Observations (B, O), or a dict of such.
            instances: Which instances they belong to, (B,).

        Returns:
            Latent states (B, Z) and contexts (B, C).
        """
        device = self._device
        state, context, part = self._encoder.step(
            observation_tensors(obs, device),
            tensor(self.clock.action[instances], device),
            tensor(self.clock.reward[instances], device),
            tensor(self.clock.time[instances], device),
            self._encoder.gather_memory(self._memory, instances),
        )
        self._memory = self._encoder.scatter_memory(self._memory, instances, part)
        return state, context

    def reset(self, instances: np.ndarray) -> None:
        """Forget the episodes of some instances.

        Args:
            instances: Which ones, (B,).
        """
        self.clock.reset(instances)
        dones = np.zeros(self._n_instances, dtype=bool)
        dones[instances] = True
        self._memory = self._encoder.reset_memory(self._memory, dones)

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes.

        Returns:
            Tensors and arrays.
        """
        memory = self._encoder.memory_state(self._memory)
        return {"memory": memory, **self.clock.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        self._memory = self._encoder.load_memory_state(state["memory"], self._device)
        self.clock.load_state_dict(state)
