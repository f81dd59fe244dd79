"""Collects rollouts for a hierarchy elsewhere."""

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from layeredrl.collectors.experience import LocalExperience
from layeredrl.collectors.remote.rollouts import ForwardedStep, Rollout
from layeredrl.hierarchies import Hierarchy
from layeredrl.hierarchies.persistence import Recipe
from layeredrl.utils.seeding import integer_seed, spawn

EnvMaker = Callable[[int], VectorEnv]
"""Makes a vector environment of so many instances, in the process where it is called."""


class RolloutWorker:
    """Environments and a copy of the hierarchy that explores, but does not learn.

    The copy has no replay buffers: it forwards what its levels would store. Nothing in it comes
    from another worker, so it can live anywhere.
    """

    def __init__(
        self,
        recipe: Recipe,
        make_env: EnvMaker,
        n_instances: int,
        seed: np.random.SeedSequence,
    ):
        """Make the environments, and begin an episode in each.

        Args:
            recipe: Describes the hierarchy.
            make_env: Makes them.
            n_instances: Their number.
            seed: Seeds environments and exploration.

        Raises:
            ConfigurationError: If a level cannot collect for a level elsewhere.
        """
        env = make_env(n_instances)
        env_seed, hierarchy_seed = spawn(seed, 2)
        levels, maps = recipe
        self._hierarchy = Hierarchy(
            levels, env, maps, seed=hierarchy_seed, keeps_buffers=False
        )
        self._hierarchy.start_forwarding()
        self._experience = LocalExperience(env, self._hierarchy)
        self._experience.reset(integer_seed(env_seed))
        self._hierarchy.take_forwarded()  # where new episodes begin is known

    def collect(self, acting_state: dict[str, Any], n_steps: int) -> Rollout:
        """Go on acting.

        Args:
            acting_state: Of the hierarchy that learns.
            n_steps: Steps of all instances.

        Returns:
            One entry per step.
        """
        self._hierarchy.load_acting_state(acting_state)
        return [self._step() for _ in range(n_steps)]

    def _step(self) -> ForwardedStep:
        step = self._experience.step()
        return ForwardedStep(
            step._replace(next_obs=None), self._hierarchy.take_forwarded()
        )
