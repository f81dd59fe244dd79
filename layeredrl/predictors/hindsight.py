"""Learning about goals that were reached instead of the ones that were asked for."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from tianshou.data import Batch, ReplayBuffer
from torch import Tensor

from layeredrl.errors import ConfigurationError
from layeredrl.nets.encoder import TensorObservation
from layeredrl.nets.goal_reward import ComputeReward
from layeredrl.predictors.replay_tensors import info_array, successors, tensor
from layeredrl.predictors.sequence_window import SequenceWindow
from layeredrl.predictors.trajectory_batch import TrajectoryBatch
from layeredrl.utils.buffers import generator_of
from layeredrl.utils.episode_ends import draw_until_episode_ends, episode_ends
from layeredrl.utils.spaces import VECTOR_KEY

STRATEGIES = ("future", "final")
DECISION_REWARDS = ("mean", "sum", "last")


@dataclass(frozen=True)
class Hindsight:
    """Hindsight experience replay (Andrychowicz et al. 2017), when stretches are sampled.

    Some stretches get another desired goal, one that their episode went on to achieve, and
    the rewards of that goal. So every episode teaches what it takes to reach something.

    It is for goals that are vectors, shown at all times, and constant within an episode:
    what a picture shows of a goal, or an observation that hides it, stays as it was.
    """

    compute_reward: ComputeReward
    """The environment's: takes goals (R, G) that were achieved and desired and a list of R
    empty infos, and returns rewards (R,). For checkpoints an importable function or an
    :class:`~layeredrl.predictors.EnvironmentGoalFunction`."""
    achieved: tuple[int, ...]
    """Columns of the flat observation that hold the achieved goal, G of them."""
    desired: tuple[int, ...]
    """Columns that hold the desired goal."""
    strategy: Literal["future", "final"] = "future"
    """From where in the episode goals are taken: anywhere from the stretch's first
    transition on, or its end."""
    ratio: float = 0.8
    """Share of stretches that get another goal, in [0, 1]."""
    decision_reward: Literal["mean", "sum", "last"] = "mean"
    """What decisions of several environment steps are paid: the mean of their rewards, as
    a ``PlannerLevel`` with ``use_mean_reward`` stores it; the discounted sum; or only the
    reward of what they achieved in the end."""
    compute_terminated: ComputeReward | None = None
    """Like ``compute_reward``: whether the episode ends there, (R,) bool. ``None`` where
    that does not depend on the goal."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.strategy not in STRATEGIES:
            raise ConfigurationError(
                f"unknown strategy {self.strategy!r}; known: {', '.join(STRATEGIES)}"
            )
        if self.decision_reward not in DECISION_REWARDS:
            raise ConfigurationError(
                f"unknown decision_reward {self.decision_reward!r}; known: "
                f"{', '.join(DECISION_REWARDS)}"
            )
        if not 0 <= self.ratio <= 1:
            raise ConfigurationError(f"ratio must be in [0, 1], got {self.ratio}")
        if len(self.achieved) != len(self.desired) or not self.achieved:
            raise ConfigurationError(
                "achieved and desired goals need equally many columns, at least one, "
                f"got {self.achieved} and {self.desired}"
            )
        for function in (self.compute_reward, self.compute_terminated):
            if function is not None and not callable(function):
                raise ConfigurationError(f"{function!r} must be callable")

    def paying(self, decision_reward: Literal["mean", "sum"]) -> "Hindsight":
        """Pay in the unit in which a level stores rewards.

        Args:
            decision_reward: What the level stores of a decision of several steps.

        Returns:
            The same in that unit; what pays only the last reward stays as it is.
        """
        if self.decision_reward == "last":
            return self
        return replace(self, decision_reward=decision_reward)

    def relabelled(
        self, batch: TrajectoryBatch, buffer: ReplayBuffer, gamma: float = 1.0
    ) -> TrajectoryBatch:
        """Give some stretches another goal.

        A stretch has one goal, and so has a window with all the stretches in it. Where the
        episode would have ended at the new goal, a stretch becomes shorter.

        Args:
            batch: Stretches as they were stored; not changed.
            buffer: Where they come from; its generator draws.
            gamma: Discount per environment step within a decision of several.

        Returns:
            The stretches; those that keep their goal are the same, bit for bit.

        Raises:
            ConfigurationError: If a decision took several environment steps, and what was
                achieved at each of them is not stored; or a function of the goal does not
                work on batches.
        """
        if self.ratio == 0.0:
            return batch
        # Stretches that share a window share a goal, drawn for the first one of them;
        # there is no window without any.
        group = np.arange(len(batch.traj_len))
        if batch.window is not None:
            group = batch.window.row.cpu().numpy()
        groups, first = np.unique(group, return_index=True)
        chosen = generator_of(buffer).random(len(groups)) < self.ratio
        if not chosen.any():
            return batch
        goals = np.zeros((len(groups), len(self.desired)))
        goals[chosen] = self._drawn_goals(buffer, batch.indices[0, first[chosen]])
        rows = np.flatnonzero(chosen[group])
        batch = self._with_goals(batch, buffer, rows, goals[group[rows]], gamma)
        if batch.window is None:
            return batch
        window = self._window_with_goals(
            batch.window, buffer, np.flatnonzero(chosen), goals[chosen], gamma
        )
        return batch._replace(window=window)

    def _drawn_goals(self, buffer: ReplayBuffer, starts: np.ndarray) -> np.ndarray:
        """Draw goals (R, G) that were achieved at or after transitions (R,)."""
        find = draw_until_episode_ends if self.strategy == "future" else episode_ends
        return self._achieved_after(buffer, find(buffer, starts))

    def _with_goals(
        self,
        batch: TrajectoryBatch,
        buffer: ReplayBuffer,
        rows: np.ndarray,
        goals: np.ndarray,
        gamma: float,
    ) -> TrajectoryBatch:
        """Set the goals (R, G) of some stretches (R,), and all that depends on them."""
        rew, terminated = self._outcomes(buffer, batch.indices.T[rows], goals, gamma)
        batch = batch._replace(
            obs=self._observations_with_goals(batch.obs, rows, goals),
            rew=_with_rows(batch.rew, rows, rew),
        )
        if terminated is None:
            return batch
        batch = batch._replace(
            terminated=_with_rows(batch.terminated, rows, terminated)
        )
        return _cut(batch, rows, terminated)

    def _window_with_goals(
        self,
        window: SequenceWindow,
        buffer: ReplayBuffer,
        rows: np.ndarray,
        goals: np.ndarray,
        gamma: float,
    ) -> SequenceWindow:
        """Set the goals (R, G) of some windows (R,), and the rewards on the way."""
        before = window.prev_indices[rows]
        rew, _ = self._outcomes(buffer, np.maximum(before, 0), goals, gamma, before < 0)
        return window._replace(
            obs=self._observations_with_goals(window.obs, rows, goals),
            prev_rewards=_with_rows(window.prev_rewards, rows, rew),
        )

    def _observations_with_goals(
        self, obs: TensorObservation, rows: np.ndarray, goals: np.ndarray
    ) -> TensorObservation:
        vector = obs[VECTOR_KEY] if isinstance(obs, dict) else obs
        changed = vector.index_select(0, tensor(rows, vector.device))
        changed[..., list(self.desired)] = tensor(goals, vector.device)[:, None]
        vector = _with_rows(vector, rows, changed)
        return {**obs, VECTOR_KEY: vector} if isinstance(obs, dict) else vector

    def _outcomes(
        self,
        buffer: ReplayBuffer,
        positions: np.ndarray,
        goals: np.ndarray,
        gamma: float,
        is_missing: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Judge decisions (R, T) by goals (R, G); missing ones are paid nothing.

        Returns:
            Rewards and, if that depends on the goal, terminations (R, T).
        """
        reached, n_env_steps = self._reached(buffer, positions)
        steps = np.arange(reached.shape[2])
        counts = steps < n_env_steps[..., None]  # (R, T, H)
        terminated = None
        if self.compute_terminated is not None:
            ends = _judge(self.compute_terminated, reached, goals).astype(bool) & counts
            terminated = np.asarray(ends.any(-1))
            # The decision would have been over with the first end.
            counts &= ends.cumsum(-1) - ends == 0
        if is_missing is not None:
            counts &= ~is_missing[..., None]
        rewards = _judge(self.compute_reward, reached, goals)
        rewards = np.where(counts, rewards, 0.0)  # beyond, they could be NaN
        if self.decision_reward == "mean":
            return rewards.sum(-1) / counts.sum(-1).clip(min=1), terminated
        return (rewards * gamma**steps).sum(-1), terminated

    def _reached(
        self, buffer: ReplayBuffer, positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read what decisions achieved at each step (*, H, G), and their steps (*,)."""
        if self.decision_reward == "last":
            last = self._achieved_after(buffer, positions)[..., None, :]
            return last, np.ones(positions.shape, np.int64)
        n_env_steps = info_array(buffer, "n_env_steps", positions)
        if n_env_steps is None:
            n_env_steps = np.ones(positions.shape, np.int64)
        longest = int(n_env_steps.max(initial=1))
        reached = info_array(buffer, "achieved_goals", positions)
        if reached is None and longest == 1:
            reached = self._achieved_after(buffer, positions)[..., None, :]
        if reached is None or reached.shape[-2] < longest:
            kept = 0 if reached is None else reached.shape[-2]
            raise ConfigurationError(
                f"a decision took {longest} environment steps, so its reward for another "
                "goal needs the goals achieved on the way: the level has to store them as "
                f"info.achieved_goals (H, G), which holds {kept} steps here"
            )
        return reached.astype(np.float64), n_env_steps

    def _achieved_after(self, buffer: ReplayBuffer, at: np.ndarray) -> np.ndarray:
        """Read the goals that transitions achieved, (*at.shape, G)."""
        stored = successors(buffer)
        vectors = stored[VECTOR_KEY] if isinstance(stored, Batch) else stored
        return vectors[at[..., None], list(self.achieved)].astype(np.float64)


def _judge(
    function: ComputeReward, reached: np.ndarray, goals: np.ndarray
) -> np.ndarray:
    """Call a function of the environment on what was reached, (R, T, H, G)."""
    wanted = np.broadcast_to(goals[:, None, None], reached.shape)
    pairs = [x.reshape(-1, goals.shape[-1]) for x in (reached, wanted)]
    n = len(pairs[0])
    found = np.asarray(function(pairs[0], pairs[1], [{}] * n))
    if found.shape != (n,):
        raise ConfigurationError(
            f"{function!r} must judge goals in batches: for {n} of them it returned "
            f"shape {found.shape} instead of ({n},)"
        )
    return found.reshape(reached.shape[:-1])


def _with_rows(x: Tensor, rows: np.ndarray, values: np.ndarray | Tensor) -> Tensor:
    """Replace some rows in a copy."""
    if isinstance(values, np.ndarray):
        values = tensor(values, x.device)
    return x.index_copy(0, tensor(rows, x.device), values.to(x.dtype))


def _cut(
    batch: TrajectoryBatch, rows: np.ndarray, terminated: np.ndarray
) -> TrajectoryBatch:
    """End stretches (R,) where they terminate, (R, T)."""
    device, n_steps = batch.rew.device, terminated.shape[1]
    traj_len = batch.traj_len.cpu().numpy().copy()
    ends = np.where(terminated.any(1), terminated.argmax(1) + 1, n_steps)
    traj_len[rows] = np.minimum(traj_len[rows], ends)
    steps = np.minimum(np.arange(n_steps)[:, None], traj_len - 1)
    length = tensor(traj_len, device)
    is_valid = torch.arange(n_steps, device=device) < length.unsqueeze(1)
    return batch._replace(
        indices=np.take_along_axis(batch.indices, steps, axis=0),
        traj_len=length,
        validity_mask=is_valid.to(batch.validity_mask.dtype),
    )
