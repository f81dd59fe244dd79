"""Who decides when: control goes down with decisions and comes back with transitions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layeredrl.errors import ShapeError
from layeredrl.hierarchies.decision_records import DecisionRecord
from layeredrl.hierarchies.space_fitting import ActionCheck
from layeredrl.levels import RunningLevel
from layeredrl.types import Observation, Transition
from layeredrl.utils.mapped_observations import observation_at, vector_part
from layeredrl.utils.observation_maps import ObservationMap


class ControlFlow:
    """Passes inputs down and finished decisions up, each instance by itself."""

    def __init__(
        self,
        levels: Sequence[RunningLevel],
        maps: Sequence[ObservationMap],
        checks: Sequence[ActionCheck],
        n_instances: int,
    ):
        """Start with every level awaiting a decision everywhere.

        Args:
            levels: From top to bottom.
            maps: What each level sees.
            checks: What each level may emit.
            n_instances: Environment instances.
        """
        self._levels = list(levels)
        self._maps = list(maps)
        self._checks = list(checks)
        self._path_columns = [list(level.path_columns) for level in levels]
        self._records = [
            DecisionRecord(
                n_instances,
                level.reward_gamma,
                check.neutral,
                (level.spec.decision_interval, len(columns)),
            )
            for level, check, columns in zip(
                levels, checks, self._path_columns, strict=True
            )
        ]

    def decide(self, obs: Observation, active: np.ndarray) -> np.ndarray:
        """Let every level decide that is due, from top to bottom.

        Args:
            obs: Flattened observations of all instances.
            active: Which instances need an action, (n_instances,) bool.

        Returns:
            Action features for the environment, (n_instances, A); those of instances
            that are not active are legal but stale.

        Raises:
            LevelInputError: If a level emits something outside the space below.
        """
        for i, (level, record) in enumerate(
            zip(self._levels, self._records, strict=True)
        ):
            instances = np.flatnonzero(record.needs_decision & active)
            if instances.size == 0:
                continue
            seen = observation_at(self._maps[i](obs), instances)
            action = level.get_action(seen, self._input_of(i, instances), instances)
            action = self._checks[i](action, instances)
            record.begin(seen, action, instances)
        return self._records[-1].action

    def report(
        self,
        next_obs: Observation,
        reward: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        info: Mapping[str, np.ndarray],
        active: np.ndarray,
    ) -> None:
        """Hand an environment step to the levels, from bottom to top.

        Args:
            next_obs: Flattened observations after the step, true final ones included.
            reward: Rewards (n_instances,).
            terminated: Whether the environment ended the episode, (n_instances,).
            truncated: Whether the episode was cut off, (n_instances,).
            info: Arrays (n_instances, ...) for the levels.
            active: Which instances took the step, (n_instances,) bool.

        Raises:
            ShapeError: If a level does not say who hands control back.
            ConfigurationError: If a decision takes longer than the levels below said.
        """
        for record in self._records:
            record.add(reward, active)
        self._record_paths(next_obs, active)
        done = (terminated | truncated) & active
        returning = np.flatnonzero(active)
        for i in range(len(self._levels) - 1, -1, -1):
            if returning.size == 0:
                break
            seen, action, level_reward, n_steps = self._records[i].finish(returning)
            transition = Transition(
                instances=returning,
                obs=seen,
                action=action,
                level_input=self._input_of(i, returning),
                reward=level_reward,
                next_obs=observation_at(self._maps[i](next_obs), returning),
                terminated=terminated[returning],
                truncated=truncated[returning],
                n_env_steps=n_steps,
                info={key: value[returning] for key, value in info.items()},
                path=self._records[i].path(returning),
            )
            handed_back = np.asarray(self._levels[i].process_transition(transition))
            if handed_back.shape != returning.shape or handed_back.dtype != bool:
                raise ShapeError(
                    f"level {i} ({type(self._levels[i]).__name__}) must say of each of "
                    f"{len(returning)} instances whether it hands control back, it says "
                    f"{handed_back!r}"
                )
            returning = returning[handed_back | done[returning]]
        finished = np.flatnonzero(done)
        if finished.size:
            self.reset(finished)

    def reset(self, instances: np.ndarray) -> None:
        """Begin new episodes; decisions in progress are dropped.

        Args:
            instances: Which instances, (B,).
        """
        for level, record in zip(self._levels, self._records, strict=True):
            level.reset(instances)
            record.reset(instances)

    def state_dict(self) -> list[dict[str, Any]]:
        """Copy the decisions in progress.

        Returns:
            One state per level.
        """
        return [record.state_dict() for record in self._records]

    def load_state_dict(self, state: list[dict[str, Any]]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        for record, saved in zip(self._records, state, strict=True):
            record.load_state_dict(saved)

    def _record_paths(self, next_obs: Observation, active: np.ndarray) -> None:
        for i, columns in enumerate(self._path_columns):
            if columns:
                seen = vector_part(self._maps[i](next_obs))
                self._records[i].add_to_path(seen[:, columns], active)

    def _input_of(self, i: int, instances: np.ndarray) -> np.ndarray | None:
        return self._records[i - 1].action[instances] if i else None
