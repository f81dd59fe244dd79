"""Workers in this process, which can be lost at will."""

from layeredrl.collectors.remote import Collected, RolloutWorker, Workers
from layeredrl.utils.seeding import spawn


class LocalWorkers(Workers):
    def __init__(self, hierarchy, make_env, sizes):
        self.sizes = tuple(sizes)
        self.n_steps = []
        self.lost_in = {}
        self._parts = hierarchy.recipe, make_env
        self._workers = []

    def begin(self, seed):
        seeds = spawn(seed, len(self.sizes))
        self._workers = [
            RolloutWorker(*self._parts, size, spawn(own, 1)[-1])
            for size, own in zip(self.sizes, seeds, strict=True)
        ]

    def collect(self, acting_state, n_steps):
        lost = self.lost_in.get(len(self.n_steps), [])
        for i in lost:
            parts = (*self._parts, self.sizes[i])
            self._workers[i] = RolloutWorker(*parts, spawn(1, 10)[i])
        self.n_steps.append(n_steps)
        found = [w.collect(acting_state, n_steps) for w in self._workers]
        return Collected(found, list(lost))

    def close(self):
        self._workers = []
