"""Hierarchies that act in vector environments, step by step."""

import numpy as np


class Life:
    """A hierarchy in an environment that spends a step on each reset."""

    def __init__(self, hierarchy, env, seed=0):
        self.hierarchy, self.env = hierarchy, env
        self.obs, _ = env.reset(seed=seed)
        self.active = np.ones(env.num_envs, bool)

    def live(self, n_steps):
        """Act, be told, learn; returns all actions and what learning reported."""
        return [self._step() for _ in range(n_steps)]

    def _step(self):
        active = self.active
        action = self.hierarchy.get_action(self.obs, active)
        self.obs, reward, terminated, truncated, _ = self.env.step(action)
        self.hierarchy.process_transition(self.obs, reward, terminated, truncated)
        self.active = ~(terminated | truncated)
        acted = np.where(active.reshape(-1, *[1] * (action.ndim - 1)), action, 0)
        return acted, self.hierarchy.learn()


def everything(hierarchy):
    """All that a hierarchy holds."""
    buffers = [level.buffer_state() for level in hierarchy.levels]
    return hierarchy.state_dict(), hierarchy.acting_state(), buffers
