"""Rollout workers as actors of Ray."""

import logging
from typing import Any

import numpy as np

from layeredrl.collectors.remote.ray_runtime import RayRuntime
from layeredrl.collectors.remote.rollout_worker import EnvMaker, RolloutWorker
from layeredrl.collectors.remote.rollouts import Rollout
from layeredrl.collectors.remote.workers import Collected, Workers
from layeredrl.errors import ConfigurationError, LayeredRLError, WorkerError
from layeredrl.hierarchies import Hierarchy
from layeredrl.utils.seeding import spawn

logger = logging.getLogger(__name__)

_MAX_LOSSES = 5


class RayWorkers(Workers):
    """One Ray actor per worker: weights go out once per round, whole rollouts come back."""

    def __init__(
        self,
        hierarchy: Hierarchy,
        make_env: EnvMaker,
        n_workers: int,
        runtime: RayRuntime | None = None,
    ):
        """Share the instances out; nothing is started yet.

        Args:
            hierarchy: The one that learns.
            make_env: Makes environments of its spaces, in the workers.
            n_workers: Number of workers.
            runtime: Where they live; ``None`` to start Ray, or to use it where it runs.

        Raises:
            ConfigurationError: If there is not an instance for each worker, or not a
                processor in the cluster.
            MissingExtraError: If Ray is not installed.
        """
        if not 1 <= n_workers <= hierarchy.n_instances:
            raise ConfigurationError(
                "each worker needs an environment instance of its own, got "
                f"{n_workers} workers for {hierarchy.n_instances} instances"
            )
        every = np.arange(hierarchy.n_instances)
        self.sizes = tuple(len(own) for own in np.array_split(every, n_workers))
        self._recipe, self._make_env = hierarchy.recipe, make_env
        self._runtime = runtime or RayRuntime(n_workers)
        self._seeds = spawn(0, n_workers)
        self._n_started = [0] * n_workers
        self._actors: list[Any] = []

    def begin(self, seed: np.random.SeedSequence) -> None:
        """Begin anew, with new episodes; those of before are given up."""
        self._end_actors()
        n = len(self.sizes)
        self._seeds, self._n_started = spawn(seed, n), [0] * n
        self._actors = [self._start(i) for i in range(n)]

    def collect(self, acting_state: dict[str, Any], n_steps: int) -> Collected:
        """Let all of them collect at once."""
        ray = self._runtime.ray
        shared = ray.put(acting_state)
        pending = [actor.collect.remote(shared, n_steps) for actor in self._actors]
        found: list[Rollout] = []
        replaced: list[int] = []
        for i, reference in enumerate(pending):
            for _ in range(_MAX_LOSSES):
                try:
                    found.append(ray.get(reference))
                    break
                except ray.exceptions.ActorDiedError as error:
                    self._refuse_own_errors(error)
                    logger.warning("worker %d is lost and replaced: %s", i, error)
                    replaced.append(i)
                    self._actors[i] = self._start(i)
                    reference = self._actors[i].collect.remote(shared, n_steps)
                except ray.exceptions.RayTaskError as error:
                    self._refuse_own_errors(error)
                    raise
            else:
                raise WorkerError(
                    f"worker {i} was lost {_MAX_LOSSES} times in a row; a worker that runs "
                    "out of memory needs fewer environment instances"
                )
        return Collected(found, sorted(set(replaced)))

    def close(self) -> None:
        """End all of them, and Ray if it was started here."""
        self._end_actors()
        self._runtime.close()

    def _start(self, i: int) -> Any:
        """Start a worker; each time it has another seed."""
        seed = spawn(self._seeds[i], self._n_started[i] + 1)[-1]
        self._n_started[i] += 1
        # Ray imports the class where the actor is, so both must have the same layeredrl.
        kind = self._runtime.ray.remote(num_cpus=1)(RolloutWorker)
        return kind.remote(self._recipe, self._make_env, self.sizes[i], seed)

    def _end_actors(self) -> None:
        for actor in self._actors:
            self._runtime.ray.kill(actor)
        self._actors = []

    @staticmethod
    def _refuse_own_errors(error: Any) -> None:
        """Raise what was raised in a worker: trying again would not help."""
        cause = getattr(error, "cause", None)
        if isinstance(cause, LayeredRLError):
            raise cause from error
