"""A sequence actor-critic learns to remember; without memory it cannot."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from tianshou.data import Batch

from layeredrl.envs.tmaze_vector import TMazeVectorEnv
from layeredrl.learners import SequenceActorCriticConfig, Situation
from layeredrl.nets.traj_encoders import FFTrajEncoder, GRUTrajEncoder
from layeredrl.nets.tstep_encoders import FFTstepEncoder
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.schedules import LinearSchedule
from tests.learners.sequence_cases import spec

N, CORRIDOR, EPISODE_STEPS = 16, 4, 12
ROWS = np.arange(N)
RECIPE = SequenceActorCriticConfig(
    tstep_encoder=partial(FFTstepEncoder, n_layers=1, d_hidden=32, d_output=32),
    traj_encoder=partial(GRUTrajEncoder, d_hidden=32, n_layers=1, d_output=32),
    max_seq_len=EPISODE_STEPS + 1,
    gammas=(0.8, 0.9),
    gamma=0.9,
    actor_hidden=(2, 64),
    critic_hidden=(2, 64),
    tau=0.05,
    learning_rate=2e-3,
    entropy_coeff=0.1,
    exploration=LinearSchedule(1.0, 0.05, duration=4000),
)


def play(learner, n_steps, buffer=None, seed=0):
    """Act; with a buffer explore, store and learn. Returns the share of successes."""
    env = TMazeVectorEnv(
        N,
        corridor_length=CORRIDOR,
        episode_steps=EPISODE_STEPS,
        autoreset_mode=AutoresetMode.DISABLED,
    )
    obs, _ = env.reset(seed=seed)
    action, reward = np.zeros((N, 4), np.float32), np.zeros(N, np.float32)
    time, successes = np.zeros(N, np.int64), []
    learner.reset(ROWS)
    for step in range(n_steps):
        told = (torch.from_numpy(x) for x in (obs, action, reward, time))
        situation = Situation(*told, instances=ROWS)
        action = learner.act(situation, explore=buffer is not None).numpy().copy()
        next_obs, reward, terminated, truncated, info = env.step(action.argmax(-1))
        reward, over = reward.astype(np.float32), terminated | truncated
        if buffer is not None:
            buffer.add(
                Batch(
                    obs=obs,
                    act=action,
                    rew=reward,
                    terminated=terminated,
                    truncated=truncated,
                    obs_next=next_obs.copy(),
                    info=Batch(time_idx=time.copy(), n_env_steps=np.ones(N, int)),
                )
            )
            if step >= 30:
                learner.update(learner.sample(buffer, 32))
        obs, time = next_obs, time + 1
        if over.any():
            successes += info["success"][over].tolist()
            obs, _ = env.reset(options={"reset_mask": over})
            action[over], reward[over], time[over] = 0.0, 0.0, 0
            learner.reset(np.flatnonzero(over))
    return np.mean(successes)


def success_after_learning(recipe):
    learner = recipe.build(spec(TMazeVectorEnv(N).single_action_space, (3,), N, seed=1))
    buffer = TransitionBuffer(20_000, N, np.random.SeedSequence(1))
    play(learner, 800, buffer)
    return play(learner, 60, seed=5)


@pytest.mark.learning
def test_with_memory_it_turns_where_the_cue_said():
    assert success_after_learning(RECIPE) > 0.95


@pytest.mark.learning
def test_without_memory_it_can_only_guess():
    recipe = replace(RECIPE, traj_encoder=partial(FFTrajEncoder, d_model=32))
    assert 0.3 < success_after_learning(recipe) < 0.7
