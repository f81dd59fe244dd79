"""Small sequence actor-critics, and stories for them to live through."""

from functools import partial

import numpy as np
import torch
from gymnasium import spaces
from tianshou.data import Batch

from layeredrl.learners import LearnerSpec, SequenceActorCriticConfig, Situation
from layeredrl.nets.traj_encoders import (
    FFTrajEncoder,
    GRUTrajEncoder,
    MambaTrajEncoder,
    TformerTrajEncoder,
)
from layeredrl.nets.tstep_encoders import FFTstepEncoder
from layeredrl.utils.action_sampling import sample_features
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.spaces import action_dim

CPU = torch.device("cpu")
BOX = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 4], np.float32))
DISCRETE = spaces.Discrete(3)
IMAGES = {"vector": (2,), "camera": (36, 36, 3)}
SPACES = {"box": BOX, "discrete": DISCRETE}
TRAJ_ENCODERS = {
    "gru": partial(GRUTrajEncoder, d_hidden=8, n_layers=1, d_output=8),
    "transformer": partial(
        TformerTrajEncoder,
        d_model=8,
        n_heads=2,
        d_ff=16,
        n_layers=1,
        dropout_ff=0.0,
        dropout_emb=0.0,
    ),
    "mamba": partial(MambaTrajEncoder, d_model=8, d_state=4, n_layers=1),
    "ff": partial(FFTrajEncoder, d_model=8),
}
TSTEP = partial(FFTstepEncoder, n_layers=1, d_hidden=8, d_output=8)
N, MAX_SEQ_LEN, OBS_DIM = 3, 8, 4


def config(**kwargs):
    defaults = dict(
        tstep_encoder=TSTEP,
        traj_encoder=TRAJ_ENCODERS["gru"],
        max_seq_len=MAX_SEQ_LEN,
        actor_hidden=(1, 8),
        critic_hidden=(1, 8),
        n_bins=16,
    )
    return SequenceActorCriticConfig(**defaults | kwargs)


def spec(space=DISCRETE, obs_shape=(OBS_DIM,), n=N, seed=0):
    return LearnerSpec(obs_shape, 0, space, n, CPU, np.random.SeedSequence(seed))


def build(space=DISCRETE, obs_shape=(OBS_DIM,), n=N, seed=0, **kwargs):
    return config(**kwargs).build(spec(space, obs_shape, n, seed))


class World:
    """Random observations, rewards and episode ends, always the same for a seed.

    Stores what happens in ``buffer``, as a level does.
    """

    def __init__(self, space=DISCRETE, obs_shape=(OBS_DIM,), n=N, seed=0):
        self.space, self.shape, self.n = space, obs_shape, n
        self.rng = np.random.default_rng(seed)
        self.buffer = TransitionBuffer(300, n, np.random.SeedSequence(seed))
        self.prev_action = np.zeros((n, action_dim(space)), np.float32)
        self.prev_reward = np.zeros(n, np.float32)
        self.time = np.zeros(n, np.int64)
        self.obs = self.observations()

    def observations(self):
        shapes = self.shape if isinstance(self.shape, dict) else {"": self.shape}
        obs = {
            key: (
                self.rng.normal(size=(self.n, *shape)).astype(np.float32)
                if len(shape) == 1
                else self.rng.integers(0, 256, (self.n, *shape)).astype(np.uint8)
            )
            for key, shape in shapes.items()
        }
        return obs if isinstance(self.shape, dict) else obs[""]

    def situation(self, rows):
        obs = self.obs
        return Situation(
            (
                {key: torch.from_numpy(value[rows]) for key, value in obs.items()}
                if isinstance(obs, dict)
                else torch.from_numpy(obs[rows])
            ),
            torch.from_numpy(self.prev_action[rows]),
            torch.from_numpy(self.prev_reward[rows]),
            torch.from_numpy(self.time[rows]),
            rows,
        )

    def step(self, learner, explore=True, p_end=0.15):
        """All instances take a step; returns the actions."""
        rows = np.arange(self.n)
        action = learner.act(self.situation(rows), explore).numpy()
        reward = self.rng.normal(size=self.n).astype(np.float32)
        terminated = self.rng.random(self.n) < p_end
        truncated = self.rng.random(self.n) < p_end
        next_obs = self.observations()
        self.store(action, reward, terminated, truncated, next_obs)
        self.prev_action, self.prev_reward = action.copy(), reward.copy()
        self.time += 1
        self.obs = next_obs
        over = np.flatnonzero(terminated | truncated)
        if over.size:
            self.begin(over, learner)
        return action

    def store(self, action, reward, terminated, truncated, next_obs):
        as_batch = Batch if isinstance(self.shape, dict) else np.copy
        self.buffer.add(
            Batch(
                obs=as_batch(self.obs),
                act=action,
                rew=reward,
                terminated=terminated,
                truncated=truncated,
                obs_next=as_batch(next_obs),
                info=Batch(
                    time_idx=self.time.copy(),
                    n_env_steps=self.rng.integers(1, 4, self.n),
                ),
            )
        )

    def begin(self, rows, learner):
        fresh = self.observations()
        if isinstance(self.obs, dict):
            for key, value in self.obs.items():
                value[rows] = fresh[key][rows]
        else:
            self.obs[rows] = fresh[rows]
        self.prev_action[rows], self.prev_reward[rows], self.time[rows] = 0.0, 0.0, 0
        learner.reset(rows)

    def drive(self, learner, n_steps=12, batch_size=4):
        """Act, store and learn; returns actions and metrics."""
        story = []
        for _ in range(n_steps):
            action = self.step(learner)
            story.append((action, learner.update(self.sample(learner, batch_size))))
        return story

    def sample(self, learner, batch_size=4):
        return learner.sample(self.buffer, batch_size)


def filled(learner, n_steps=40, p_end=0.15):
    """A world in which the learner has acted for a while."""
    shape, space = learner.spec.obs_shape, learner.spec.action_space
    world = World(space, shape, learner.spec.n_instances)
    for _ in range(n_steps):
        world.step(learner, p_end=p_end)
    return world


def random_features(space, n, rng):
    return torch.from_numpy(sample_features(space, n, rng))
