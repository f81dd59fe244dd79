"""What a level remembers of each running episode, in the form encoders want it."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from layeredrl.nets import Encoder
from layeredrl.types import Observation
from layeredrl.utils.checkpoints import to_array


class EpisodeMemory:
    """Feeds an encoder one decision at a time, per environment instance.

    Holds the encoder's memory, the level's previous action and reward, and the number of
    decisions since the episode began. Encoders without memory ignore all of it.
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
        self._time = np.zeros(n_instances, dtype=np.int64)
        self._action = np.zeros((n_instances, action_dim), dtype=np.float32)
        self._reward = np.zeros(n_instances, dtype=np.float32)

    def encode(self, obs: Observation, instances: np.ndarray) -> tuple[Tensor, Tensor]:
        """Encode the observations at which instances decide; memory advances.

        Args:
            obs: Observations (B, O), or a dict of such.
            instances: Which instances they belong to, (B,).

        Returns:
            Latent states (B, Z) and contexts (B, C).
        """
        tensors: Any
        if isinstance(obs, dict):
            tensors = {key: self._tensor(value) for key, value in obs.items()}
        else:
            tensors = self._tensor(obs)
        state, context, part = self._encoder.step(
            tensors,
            self._tensor(self._action[instances]),
            self._tensor(self._reward[instances]),
            self._tensor(self._time[instances]),
            self._encoder.gather_memory(self._memory, instances),
        )
        self._memory = self._encoder.scatter_memory(self._memory, instances, part)
        return state, context

    def time_idx(self, instances: np.ndarray) -> np.ndarray:
        """Tell how far into their episodes instances are.

        Args:
            instances: Which ones, (B,).

        Returns:
            Decisions that were finished since the episode began, (B,) int64.
        """
        return self._time[instances]

    def note_action(self, action: np.ndarray, instances: np.ndarray) -> None:
        """Remember what was decided.

        Args:
            action: Action features (B, A).
            instances: Which instances they belong to, (B,).
        """
        self._action[instances] = action

    def note_reward(self, reward: np.ndarray, instances: np.ndarray) -> None:
        """Remember what the decision paid; one more decision has passed.

        Args:
            reward: Rewards (B,).
            instances: Which instances they belong to, (B,).
        """
        self._reward[instances] = reward
        self._time[instances] += 1

    def reset(self, instances: np.ndarray) -> None:
        """Forget the episodes of some instances.

        Args:
            instances: Which ones, (B,).
        """
        self._time[instances] = 0
        self._action[instances] = 0.0
        self._reward[instances] = 0.0
        dones = np.zeros(self._n_instances, dtype=bool)
        dones[instances] = True
        self._memory = self._encoder.reset_memory(self._memory, dones)

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes.

        Returns:
            Tensors and arrays.
        """
        return {
            "memory": self._encoder.memory_state(self._memory),
            "time": self._time.copy(),
            "action": self._action.copy(),
            "reward": self._reward.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        self._memory = self._encoder.load_memory_state(state["memory"], self._device)
        self._time = to_array(state["time"])
        self._action = to_array(state["action"])
        self._reward = to_array(state["reward"])

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._device)
