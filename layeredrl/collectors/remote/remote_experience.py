"""Experience that workers collect, round by round."""

import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from layeredrl.collectors.env_stepper import Step
from layeredrl.collectors.experience import Experience
from layeredrl.collectors.remote.rollouts import ForwardedStep, merge_rollouts
from layeredrl.collectors.remote.workers import Workers
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
from layeredrl.utils.seeding import spawn

logger = logging.getLogger(__name__)


class RemoteExperience(Experience):
    """Steps that workers took with the hierarchy's weights at the start of the round.

    Rounds are synchronous: weights go out, every worker takes the same number of steps, and
    what they return is handed on step by step before the next round begins. So one seed gives
    one result, for one number of workers and steps per round, as long as no worker is lost.

    Attributes:
        n_rounds: Rounds so far.
        n_replaced: Workers that were lost so far.
    """

    def __init__(self, hierarchy: Hierarchy, workers: Workers, n_steps: int = 50):
        """Put both together.

        Args:
            hierarchy: Learns; it is not asked for actions.
            workers: For as many environment instances.
            n_steps: Steps of all instances per round. In more, less time is spent on sending
                weights, but they are older. With on-policy levels a round ends where one of
                them learns.

        Raises:
            ConfigurationError: If a round would have no steps, or the workers have another
                number of instances.
        """
        super().__init__()
        if n_steps < 1:
            raise ConfigurationError(f"n_steps must be at least 1, got {n_steps}")
        if sum(workers.sizes) != hierarchy.n_instances:
            raise ConfigurationError(
                f"the hierarchy was built for {hierarchy.n_instances} instances, the "
                f"workers have {sum(workers.sizes)}"
            )
        self.n_instances = hierarchy.n_instances
        self.broken_off = np.zeros(self.n_instances, dtype=bool)
        self.n_rounds = self.n_replaced = 0
        self._hierarchy, self._workers, self._n_steps = hierarchy, workers, n_steps
        self._round: deque[ForwardedStep] = deque()
        self._owner = np.repeat(np.arange(len(workers.sizes)), workers.sizes)
        self._seed = self._n_begun = 0

    def reset(self, seed: int) -> None:
        """Begin new episodes everywhere."""
        self._seed, self._n_begun = seed, 0
        self._begin()

    def step(self) -> Step:
        """Hand on the next step that was collected, and let the levels store it."""
        self.broken_off = np.zeros(self.n_instances, dtype=bool)
        if not self._round:
            with self.stopwatch.timing("acting"):
                self._collect()
        step, forwarded = self._round.popleft()
        with self.stopwatch.timing("storing"):
            self._hierarchy.add_forwarded(forwarded, int(step.taken.sum()))
        return step

    def state_dict(self) -> dict[str, Any]:
        """Copy the counters; episodes that run in workers are not kept."""
        return {
            "seed": self._seed,
            "n_begun": self._n_begun,
            "n_rounds": self.n_rounds,
            "n_replaced": self.n_replaced,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """Begin new episodes, with other seeds than any before."""
        self._seed, self._n_begun = state["seed"], state["n_begun"]
        self.n_rounds, self.n_replaced = state["n_rounds"], state["n_replaced"]
        logger.warning("new episodes begin in %d workers", len(self._workers.sizes))
        self._begin()
        return False

    def _begin(self) -> None:
        self._round.clear()
        self._n_begun += 1
        self._workers.begin(spawn(self._seed, self._n_begun)[-1])
        self._hierarchy.reset()

    def _collect(self) -> None:
        # Workers may have no GPU.
        state = _on_cpu(self._hierarchy.acting_state())
        rollouts, replaced = self._workers.collect(state, self._steps_of_round())
        self.n_rounds += 1
        self.n_replaced += len(replaced)
        self._round.extend(merge_rollouts(rollouts))
        if replaced:
            self.broken_off = np.isin(self._owner, replaced)
            self._hierarchy.reset(self.broken_off)

    def _steps_of_round(self) -> int:
        most = self._hierarchy.env_steps_of_policy()
        if most is None:
            return self._n_steps
        return min(self._n_steps, -(-most // self.n_instances))


def _on_cpu(state: Any) -> Any:
    """Copy what lies on another device; the rest stays as it is."""
    if isinstance(state, Tensor):
        return state.cpu()
    if isinstance(state, Mapping):
        return {name: _on_cpu(value) for name, value in state.items()}
    if type(state) in (list, tuple):
        return type(state)(_on_cpu(value) for value in state)
    return state
