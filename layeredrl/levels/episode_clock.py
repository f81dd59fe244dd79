"""How far into its running episode each instance is, and what its last decision was."""

from typing import Any

import numpy as np

from layeredrl.utils.checkpoints import to_array


class EpisodeClock:
    """Counts a level's decisions, and keeps the latest one with its reward.

    Attributes:
        time: Decisions that were finished since the episode began, (n_instances,) int64.
        action: Features of the previous decision, zeros at the start, (n_instances, A).
        reward: Its reward, 0 at the start, (n_instances,) float32.
    """

    def __init__(self, n_instances: int, action_dim: int):
        """Start with new episodes.

        Args:
            n_instances: Environment instances.
            action_dim: Action features A of the level.
        """
        self.time = np.zeros(n_instances, dtype=np.int64)
        self.action = np.zeros((n_instances, action_dim), dtype=np.float32)
        self.reward = np.zeros(n_instances, dtype=np.float32)

    def note_action(self, action: np.ndarray, instances: np.ndarray) -> None:
        """Remember what was decided.

        Args:
            action: Action features (B, A).
            instances: Which instances they belong to, (B,).
        """
        self.action[instances] = action

    def note_reward(self, reward: np.ndarray, instances: np.ndarray) -> None:
        """Remember what the decision paid; one more decision has passed.

        Args:
            reward: Rewards (B,).
            instances: Which instances they belong to, (B,).
        """
        self.reward[instances] = reward
        self.time[instances] += 1

    def reset(self, instances: np.ndarray) -> None:
        """Begin new episodes.

        Args:
            instances: Where, (B,).
        """
        self.time[instances] = 0
        self.action[instances] = 0.0
        self.reward[instances] = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes.

        Returns:
            Arrays.
        """
        return {
            "time": self.time.copy(),
            "action": self.action.copy(),
            "reward": self.reward.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        self.time = to_array(state["time"])
        self.action = to_array(state["action"])
        self.reward = to_array(state["reward"])
