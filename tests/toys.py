"""Tiny spaces, environments, buffers and predictors that many tests share."""

from functools import partial

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from tianshou.data import Batch, ReplayBuffer, VectorReplayBuffer

from layeredrl.models import EnsembleConfig, KnownDynamics, ProbabilisticEnsemble
from layeredrl.nets import FixedEncoderNet, IdentityEncoder, ProbFCDynamics, RewardNet
from layeredrl.predictors import RewardPredictor, StaticPredictor
from layeredrl.types import LatentTransitions
from layeredrl.utils.buffers import TransitionBuffer

ACTIONS = spaces.Box(-1.0, 1.0, (2,), np.float32)


def unbounded(dim):
    return spaces.Box(-np.inf, np.inf, (dim,), np.float32)


# Environments


class GoalEnv(gym.Env):
    """A point in the plane that is pushed towards a goal; the world's smallest robot."""

    def __init__(self, dim=2, length=10, noise_keys=1):
        goal = unbounded(dim)
        self.observation_space = spaces.Dict(
            {
                "observation": unbounded(noise_keys),
                "achieved_goal": goal,
                "desired_goal": goal,
            }
        )
        self.action_space = spaces.Box(-1.0, 1.0, (dim,), np.float32)
        self._dim, self._length = dim, length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._place = np.zeros(self._dim)
        self._goal = self.np_random.uniform(-1, 1, self._dim)
        self._time = 0
        return self._obs(), {}

    def step(self, action):
        self._place = self._place + 0.1 * np.asarray(action, float)
        self._time += 1
        reward = float(self.compute_reward(self._place, self._goal, {}))
        return self._obs(), reward, False, self._time >= self._length, {}

    def compute_reward(self, achieved_goal, desired_goal, info):
        difference = np.asarray(achieved_goal) - np.asarray(desired_goal)
        return -np.linalg.norm(difference, axis=-1)

    def _obs(self):
        noise = self.observation_space["observation"].shape
        return {
            "observation": np.full(noise, self._time, np.float32),
            "achieved_goal": self._place.astype(np.float32),
            "desired_goal": self._goal.astype(np.float32),
        }


class NestedGoalEnv(gym.Env):
    """Goals that are dicts themselves, as FrankaKitchen's."""

    def __init__(self):
        goal = spaces.Dict({"kettle": unbounded(2), "light": unbounded(1)})
        self.observation_space = spaces.Dict(
            {
                "observation": unbounded(2),
                "achieved_goal": goal,
                "desired_goal": goal,
            }
        )
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._obs(), {}

    def step(self, action):
        return self._obs(), 0.0, False, False, {}

    def _obs(self):
        self._n = getattr(self, "_n", 0.0) + 1.0
        n = self._n
        return {
            "observation": np.array([n, n + 0.25], np.float32),
            "achieved_goal": {
                "kettle": np.array([10 + n, 20 + n], np.float32),
                "light": np.array([30 + n], np.float32),
            },
            "desired_goal": {
                "kettle": np.array([-1.0, -2.0], np.float32),
                "light": np.array([-3.0], np.float32),
            },
        }


# Buffers

BUFFER_KINDS = ("plain", "vector", "ours")


def make_buffer(kind, total_size=60, n_rings=4, seed=0):
    if kind == "plain":
        return ReplayBuffer(total_size)
    if kind == "vector":
        return VectorReplayBuffer(total_size, n_rings)
    return TransitionBuffer(total_size, n_rings, np.random.SeedSequence(seed))


class Filler:
    """Adds random episodes to a buffer, one transition per chosen ring at a time.

    Observations are (ring, episode, time, noise, ...), so that each tells where it
    belongs, and successors of final steps are found nowhere else in the buffer.
    """

    def __init__(
        self,
        buffer,
        seed=0,
        *,
        obs_dim=5,
        act_dim=2,
        p_terminated=0.1,
        p_truncated=0.1,
        infos=True,
    ):
        self.buffer = buffer
        self.n_rings = getattr(buffer, "buffer_num", 1)
        self._rng = np.random.default_rng(seed)
        self._dims = obs_dim, act_dim
        self._p = p_terminated, p_truncated
        self._infos = infos
        self._episode = np.zeros(self.n_rings, int)
        self._time = np.zeros(self.n_rings, int)
        self._obs = self._observations(np.arange(self.n_rings))

    def add(self, n_steps, rings=None):
        """Add one transition to each of the rings, n_steps times."""
        for _ in range(n_steps):
            self._add(np.arange(self.n_rings) if rings is None else np.array(rings))
        return self.buffer

    def add_unevenly(self, n_steps):
        for _ in range(n_steps):
            chosen = np.flatnonzero(self._rng.random(self.n_rings) < 0.6)
            if chosen.size:
                self._add(chosen)
        return self.buffer

    def _add(self, rings):
        rng, n = self._rng, len(rings)
        obs = self._obs[rings]
        self._time[rings] += 1
        obs_next = self._observations(rings)
        terminated = rng.random(n) < self._p[0]
        truncated = rng.random(n) < self._p[1]
        info = {}
        if self._infos:
            info = {
                "n_env_steps": rng.integers(1, 6, n),
                "random_mode": rng.random(n) < 0.4,
            }
        batch = Batch(
            obs=obs,
            act=rng.normal(size=(n, self._dims[1])).astype(np.float32),
            rew=rng.normal(size=n),
            terminated=terminated,
            truncated=truncated,
            obs_next=obs_next,
            info=Batch(info),
        )
        if self.n_rings == 1 and type(self.buffer) is ReplayBuffer:
            self.buffer.add(batch[0])
        else:
            self.buffer.add(batch, buffer_ids=rings)
        self._obs[rings] = obs_next
        ended = rings[terminated | truncated]
        self._episode[ended] += 1
        self._time[ended] = 0
        self._obs[ended] = self._observations(ended)

    def _observations(self, rings):
        noise = self._rng.normal(size=(len(rings), self._dims[0] - 3))
        where = np.stack([rings, self._episode[rings], self._time[rings]], axis=-1)
        return np.concatenate([where, noise], axis=-1).astype(np.float32)


def random_buffer(kind="ours", n_steps=12, seed=0, total_size=60, n_rings=4, **kwargs):
    """Add n_steps transitions to each ring, or as many together to the only one."""
    buffer = make_buffer(kind, total_size, n_rings, seed)
    if kind == "plain":
        n_steps *= n_rings
    return Filler(buffer, seed, **kwargs).add(n_steps)


def linear_buffer(n_steps=200, n_rings=4, seed=0, noise=0.01):
    """A linear world that pays for where one gets: next = .9 s + .3 a, reward in [-, 0]."""
    rng = np.random.default_rng(seed)
    buffer = make_buffer("ours", n_steps * n_rings, n_rings, seed)
    obs = rng.normal(size=(n_rings, 2))
    for step in range(n_steps):
        act = rng.uniform(-1, 1, (n_rings, 2))
        nxt = 0.9 * obs + 0.3 * act + noise * rng.normal(size=obs.shape)
        is_end = np.full(n_rings, step % 20 == 19)
        buffer.add(
            Batch(
                obs=obs.astype(np.float32),
                act=act.astype(np.float32),
                rew=linear_reward(obs, act),
                terminated=np.zeros(n_rings, bool),
                truncated=is_end,
                obs_next=nxt.astype(np.float32),
                info=Batch(),
            )
        )
        obs = np.where(is_end[:, None], rng.normal(size=obs.shape), nxt)
    return buffer


def linear_reward(obs, act):
    return obs[..., 0] - 2.0 * obs[..., 1] + 0.5 * act[..., 0]


# Predictors

SMALL_NET = partial(ProbFCDynamics, hidden_sizes=(16,))
WIDER_NET = partial(ProbFCDynamics, hidden_sizes=(64, 64))


def ensemble(state_dim=2, context_dim=0, actions=ACTIONS, seed=0, net=SMALL_NET, **cfg):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ProbabilisticEnsemble(
            unbounded(state_dim),
            unbounded(context_dim),
            actions,
            partial_net=net,
            config=EnsembleConfig(**cfg),
        )


def reward_predictor(
    obs_dim=2,
    context_columns=(),
    *,
    seed=0,
    val_func=None,
    rew_func=None,
    encoder=None,
    model=None,
    **kwargs,
):
    """A small predictor that trains everything from the first call.

    Without an encoder, all columns that are no context are latent state.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if encoder is None:
            state = [i for i in range(obs_dim) if i not in context_columns]
            encoder = FixedEncoderNet((obs_dim,), state, context_columns)
        dims = encoder.latent_state_dim, encoder.context_dim
        model = model or ensemble(*dims, seed=seed)
        if rew_func is None:
            rew_func = RewardNet(*dims, model.action_dim, hidden_sizes=(16,))
        kwargs = {"encoder_warm_up": 0} | kwargs
        return RewardPredictor(model, val_func, rew_func, encoder, *dims, **kwargs)


def point_mass_predictor(reward, *, term=None, val_func=None, model=None, step=0.5):
    """Known dynamics: next state = state + step * action, in the plane."""
    if model is None:
        model = KnownDynamics(
            unbounded(2), unbounded(0), ACTIONS, lambda s, c, a: s + step * a, term
        )
    encoder = IdentityEncoder((2,))
    return StaticPredictor(model, val_func, reward, encoder, 2, 0)


def transitions(n=8, state_dim=2, context_dim=0, action_dim=2, seed=0, **fields):
    g = torch.Generator().manual_seed(seed)
    batch = LatentTransitions(
        torch.randn(n, state_dim, generator=g),
        torch.randn(n, context_dim, generator=g),
        torch.randn(n, action_dim, generator=g),
        torch.randn(n, state_dim, generator=g),
        torch.rand(n, generator=g) < 0.3,
        torch.ones(n),
    )
    return batch._replace(**fields)
