"""What each instance was asked to do, and how far it is."""

from typing import Any

import numpy as np
from gymnasium import spaces

from layeredrl.objectives import Objective, Pursuit
from layeredrl.types import Observation
from layeredrl.utils.checkpoints import to_array
from layeredrl.utils.mapped_observations import observation_at, vector_part
from layeredrl.utils.spaces import VECTOR_KEY, action_dim


class Pursuits:
    """Follows inputs from above until they are over, for all instances.

    Attributes:
        n_decisions: Decisions taken since the input came, (n_instances,) int64.
    """

    def __init__(
        self, objective: Objective, n_instances: int, input_space: spaces.Space | None
    ):
        """Start with nothing asked for.

        Args:
            objective: Says what inputs mean.
            n_instances: Environment instances.
            input_space: Space of the inputs; ``None`` if nobody asks.
        """
        self._objective = objective
        self._is_asked = input_space is not None
        n_input = 0 if input_space is None else action_dim(input_space)
        self.n_decisions = np.zeros(n_instances, dtype=np.int64)
        self._input = np.zeros((n_instances, n_input), dtype=np.float32)
        self._start: np.ndarray | None = None

    def begin(
        self, obs: Observation, level_input: np.ndarray | None, instances: np.ndarray
    ) -> None:
        """Take note of new inputs, where the last ones are over.

        Args:
            obs: What the level sees, (B, O), or a dict of such.
            level_input: What it is asked to do, (B, I); ``None`` at the top.
            instances: Which instances, (B,).
        """
        if not self._is_asked:
            return
        assert level_input is not None
        is_new = self.n_decisions[instances] == 0
        if not is_new.any():
            return
        start = self._objective.remembered(observation_at(obs, is_new))
        if self._start is None:
            n_instances = len(self.n_decisions)
            self._start = np.zeros((n_instances, start.shape[1]), np.float32)
        self._input[instances[is_new]] = level_input[is_new]
        self._start[instances[is_new]] = start

    def seen(self, obs: Observation, instances: np.ndarray) -> Observation:
        """Add to observations what the policy is asked to do.

        Args:
            obs: What the level sees, (B, O), or a dict of such.
            instances: Which instances, (B,).

        Returns:
            Observations with the condition behind the vector part, (B, O + C), or a dict.
        """
        if not self._is_asked:
            return obs
        assert self._start is not None
        pursuit = Pursuit(
            self._input[instances], self._start[instances], self.n_decisions[instances]
        )
        condition = self._objective.condition(obs, pursuit)
        whole = np.concatenate([vector_part(obs), condition], axis=1, dtype=np.float32)
        return {**obs, VECTOR_KEY: whole} if isinstance(obs, dict) else whole

    def advance(self, instances: np.ndarray) -> None:
        """Count one more decision.

        Args:
            instances: Which instances, (B,).
        """
        self.n_decisions[instances] += 1

    def end(self, instances: np.ndarray) -> None:
        """Await new inputs.

        Args:
            instances: Which instances, (B,).
        """
        self.n_decisions[instances] = 0

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes.

        Returns:
            Arrays.
        """
        return {
            "n_decisions": self.n_decisions.copy(),
            "input": self._input.copy(),
            "start": None if self._start is None else self._start.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        self.n_decisions = to_array(state["n_decisions"])
        self._input = to_array(state["input"])
        start = state["start"]
        self._start = None if start is None else to_array(start)
