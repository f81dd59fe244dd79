"""Finished decisions, kept for learning."""

from typing import Any

import numpy as np
from tianshou.data import Batch

from layeredrl.types import Observation, Transition
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.checkpoints import to_array


class DecisionStore:
    """Puts a level's semi-MDP transitions into its replay buffer.

    Sampling takes neighbours in the buffer for neighbours in time, so the store minds the
    gaps: where decisions were not stored (in evaluation mode) or an episode was broken off
    from outside, what is stored next begins an episode of its own.

    Attributes:
        buffer: The replay buffer.
    """

    def __init__(self, buffer: TransitionBuffer, n_instances: int):
        """Start without gaps.

        Args:
            buffer: Where decisions go.
            n_instances: Environment instances.
        """
        self.buffer = buffer
        self._has_gap = np.zeros(n_instances, dtype=bool)

    def add(
        self, transition: Transition, reward: np.ndarray, was_random: np.ndarray
    ) -> None:
        """Store finished decisions.

        Args:
            transition: The decisions.
            reward: What the level makes of their rewards, (B,).
            was_random: Whether each was drawn at random, (B,) bool.
        """
        instances = transition.instances
        after_gap = instances[self._has_gap[instances]]
        self.buffer.cut_episodes(after_gap)
        self._has_gap[after_gap] = False
        batch = Batch(
            obs=_as_batch(transition.obs),
            act=transition.action,
            rew=reward,
            terminated=transition.terminated,
            truncated=transition.truncated,
            obs_next=_as_batch(transition.next_obs),
            info=Batch(n_env_steps=transition.n_env_steps, random_mode=was_random),
        )
        self.buffer.add(batch, buffer_ids=instances)

    def skip(self, instances: np.ndarray) -> None:
        """Note that something is not stored.

        Args:
            instances: Where, (B,).
        """
        self._has_gap[instances] = True

    def state_dict(self) -> dict[str, Any]:
        """Copy buffer and gaps.

        Returns:
            Arrays and plain values.
        """
        return {"buffer": self.buffer.state_dict(), "has_gap": self._has_gap.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.

        Raises:
            CheckpointError: If it came from a buffer of another size or with transitions
                of another shape; nothing has changed then.
        """
        self.buffer.load_state_dict(state["buffer"])
        self._has_gap = to_array(state["has_gap"])


def _as_batch(obs: Observation) -> Any:
    return Batch(obs) if isinstance(obs, dict) else obs
