"""Finished decisions, kept for learning."""

from typing import Any

import numpy as np
from tianshou.data import Batch

from layeredrl.types import Observation, Transition
from layeredrl.utils.buffers import TransitionBuffer


class DecisionStore:
    """Puts a level's semi-MDP transitions into its replay buffer.

    Sampling takes neighbours in the buffer for neighbours in time, so the store minds the
    gaps: where decisions were not stored (in evaluation mode) or an episode was broken off
    from outside, what is stored next begins an episode of its own.

    Attributes:
        buffer: The replay buffer.
    """

    def __init__(self, buffer: TransitionBuffer):
        """Take the buffer.

        Args:
            buffer: Where decisions go.
        """
        self.buffer = buffer

    def add(self, rows: Batch, instances: np.ndarray) -> None:
        """Store finished decisions.

        Args:
            rows: What :func:`decision_rows` made of them, (B, ...).
            instances: Whose they are, (B,).
        """
        self.buffer.add(rows, buffer_ids=instances)

    def skip(self, instances: np.ndarray) -> None:
        """Note that something is not stored.

        Args:
            instances: Where, (B,).
        """
        self.buffer.has_gap[instances] = True


def decision_rows(
    transition: Transition,
    reward: np.ndarray,
    was_random: np.ndarray,
    time_idx: np.ndarray,
    **info: np.ndarray,
) -> Batch:
    """Lay finished decisions out as replay buffers take them.

    Args:
        transition: The decisions.
        reward: What the level makes of their rewards, (B,).
        was_random: Whether each was drawn at random, (B,) bool.
        time_idx: Decisions of the episode before each, (B,) int64.
        **info: Further entries of the transitions' info, (B, ...) each.

    Returns:
        One row per decision.
    """
    return Batch(
        obs=_as_batch(transition.obs),
        act=transition.action,
        rew=reward,
        terminated=transition.terminated,
        truncated=transition.truncated,
        obs_next=_as_batch(transition.next_obs),
        info=Batch(
            {
                "n_env_steps": transition.n_env_steps,
                "random_mode": was_random,
                "time_idx": time_idx,
                **info,
            }
        ),
    )


def _as_batch(obs: Observation) -> Any:
    return Batch(obs) if isinstance(obs, dict) else obs
