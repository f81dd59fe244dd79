"""Replayed transitions with images beside the vector."""

import numpy as np
from tianshou.data import Batch, VectorReplayBuffer

from layeredrl.utils.buffers import TransitionBuffer

SHAPES = {
    "vector": ((2,), np.float32),
    "camera": ((3, 4), np.uint8),
    "depth": ((2, 2), np.float64),
    "sonar": ((3,), np.uint8),
}
IMAGES = ("camera", "depth", "sonar")


class PictureFiller:
    """Adds random episodes to a buffer, and to one of Tianshou's that stores all twice.

    No image occurs twice, but for what one step shares with the next.
    """

    def __init__(self, total_size, n_rings, seed=0, shapes=SHAPES, p_end=0.1):
        self.buffer = TransitionBuffer(
            total_size, n_rings, np.random.SeedSequence(seed)
        )
        self.twice = VectorReplayBuffer(total_size, n_rings)
        self.n_rings = n_rings
        self._shapes, self._p_end = shapes, p_end
        self._rng = np.random.default_rng(seed)
        self._obs = self._look(n_rings)

    def add(self, n_steps, rings=None):
        """Add a transition to each of the rings, or of random ones, n_steps times."""
        for _ in range(n_steps):
            chosen = rings
            if rings is None:
                chosen = np.flatnonzero(self._rng.random(self.n_rings) < 0.6)
            if len(chosen):
                self.add_to(np.asarray(chosen))
        return self

    def add_to(self, rings, ends=None):
        rng, n = self._rng, len(rings)
        ends = rng.random(n) < self._p_end if ends is None else ends
        terminated = ends & (rng.random(n) < 0.5)
        obs_next = self._look(n)
        batch = Batch(
            obs={key: values[rings] for key, values in self._obs.items()},
            act=rng.random((n, 1)),
            rew=rng.random(n),
            terminated=terminated,
            truncated=ends & ~terminated,
            obs_next=obs_next,
            info=Batch(n_env_steps=np.ones(n, int)),
        )
        for one in (self.buffer, self.twice):
            one.add(batch, buffer_ids=rings)
        for key, values in obs_next.items():
            self._obs[key][rings] = values
        self.begin(rings[ends])

    def begin(self, rings):
        """Begin new episodes without a word to the buffer."""
        for key, values in self._look(len(rings)).items():
            self._obs[key][rings] = values

    def cut(self, rings):
        self.buffer.cut_episodes(rings)
        self.begin(rings)

    def leave_gap(self, rings):
        self.buffer.has_gap[rings] = True
        self.begin(rings)

    def something_random(self):
        """Add, cut or leave a gap."""
        rings = np.flatnonzero(self._rng.random(self.n_rings) < 0.4)
        happening = self._rng.integers(8)
        if happening == 0:
            self.cut(rings)
        elif happening == 1:
            self.leave_gap(rings)
        else:
            self.add(1)

    def _look(self, n):
        return {
            key: self._rng.integers(0, 256, (n, *shape)).astype(dtype)
            for key, (shape, dtype) in self._shapes.items()
        }
