"""Rollout workers as actors of Ray."""

import logging
import pickle
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


class _Actor:
    """A worker that is built when it is first asked.

    An actor whose construction fails is dead to Ray, and would be replaced in vain; what a
    method raises comes back.
    """

    def __init__(self, pickled: bytes):
        self._pickled = pickled
        self._worker: RolloutWorker | None = None

    def collect(self, acting_state: dict[str, Any], n_steps: int) -> Rollout:
        if self._worker is None:
            self._worker = RolloutWorker(*pickle.loads(self._pickled))
        return self._worker.collect(acting_state, n_steps)


class RayWorkers(Workers):
    """One Ray actor per worker: weights go out once per round, whole rollouts come back.

    Attributes:
        actors: Handles of Ray, in the order of their instances.
    """

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
        self.actors: list[Any] = []

    def begin(self, seed: np.random.SeedSequence) -> None:
        """Begin anew, with new episodes; those of before are given up."""
        self.end()
        n = len(self.sizes)
        self._seeds, self._n_started = spawn(seed, n), [0] * n
        self.actors = [self._start(i) for i in range(n)]

    def collect(self, acting_state: dict[str, Any], n_steps: int) -> Collected:
        """Let all of them collect at once."""
        ray = self._runtime.ray
        shared = ray.put(acting_state)
        pending = [actor.collect.remote(shared, n_steps) for actor in self.actors]
        found: list[Rollout] = []
        replaced: list[int] = []
        for i, reference in enumerate(pending):
            for _ in range(_MAX_LOSSES):
                try:
                    found.append(ray.get(reference))
                    break
                except ray.exceptions.RayActorError as error:
                    logger.warning("worker %d is lost and replaced: %s", i, error)
                    replaced.append(i)
                    ray.kill(self.actors[i])  # it may only be out of reach
                    self.actors[i] = self._start(i)
                    reference = self.actors[i].collect.remote(shared, n_steps)
                except ray.exceptions.RayTaskError as error:
                    if isinstance(error.cause, LayeredRLError):
                        raise error.cause from error
                    raise
            else:
                raise WorkerError(
                    f"worker {i} was lost {_MAX_LOSSES} times in a row; a worker that runs "
                    "out of memory needs fewer environment instances"
                )
        return Collected(found, sorted(set(replaced)))

    def close(self) -> None:
        """End all of them, and Ray if it was started here."""
        self.end()
        self._runtime.close()

    def _start(self, i: int) -> Any:
        """Start a worker; each time it has another seed."""
        seed = spawn(self._seeds[i], self._n_started[i] + 1)[-1]
        self._n_started[i] += 1
        ray = self._runtime.ray
        arguments = (self._recipe, self._make_env, self.sizes[i], seed)
        kind = ray.remote(num_cpus=1)(_Actor)
        return kind.remote(ray.cloudpickle.dumps(arguments))

    def end(self) -> None:
        """End all of them; Ray goes on."""
        for actor in self.actors:
            self._runtime.ray.kill(actor)
        self.actors = []
