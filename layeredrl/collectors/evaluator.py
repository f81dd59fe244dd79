"""Evaluation by held-out episodes."""

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from scipy import stats

from layeredrl.collectors.env_stepper import EnvStepper, Step
from layeredrl.collectors.episodes import Episode, EpisodeTracker
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy

OnStep = Callable[[Any, np.ndarray, Step, np.ndarray], None]
"""Called with the observations acted on, the actions, what happened, and which instances
are being evaluated."""


def evaluate(
    hierarchy: Hierarchy,
    env: VectorEnv,
    n_episodes: int,
    seed: int,
    on_episode: Callable[[Episode], None] | None = None,
    on_step: OnStep | None = None,
) -> list[Episode]:
    """Play whole episodes in evaluation mode.

    Every instance plays its share of the episodes, fixed beforehand, so that short
    episodes do not count more often than long ones.

    Args:
        hierarchy: Built for this environment; usually an acting copy. It is left in
            evaluation mode.
        env: A vector environment that nobody else steps.
        n_episodes: Number of episodes, at least 1.
        seed: Seeds the environment; keep it apart from training seeds.
        on_episode: Called with every finished episode, for progress.
        on_step: Called after every step, for recording.

    Returns:
        The episodes, in the order in which they ended.

    Raises:
        ConfigurationError: If no episodes are asked for, or the hierarchy was built for
            another number of instances.
        SpaceError: If the environment has other spaces than the hierarchy.
    """
    if n_episodes < 1:
        raise ConfigurationError(f"n_episodes must be at least 1, got {n_episodes}")
    stepper = EnvStepper(env, hierarchy)
    hierarchy.check_env(env)
    hierarchy.eval()
    hierarchy.reset()
    stepper.reset(seed)
    tracker = EpisodeTracker(env.num_envs)
    owed = np.full(env.num_envs, n_episodes // env.num_envs)
    owed[: n_episodes % env.num_envs] += 1
    episodes: list[Episode] = []
    while owed.any():
        playing = stepper.active & (owed > 0)
        obs = stepper.obs
        actions = hierarchy.get_action(obs, playing)
        step = stepper.step(actions)
        hierarchy.process_transition(
            step.next_obs, step.reward, step.terminated, step.truncated
        )
        if on_step is not None:
            on_step(obs, actions, step, playing)
        for episode in tracker.add(step):
            if owed[episode.instance] == 0:
                continue
            owed[episode.instance] -= 1
            episodes.append(episode)
            if on_episode is not None:
                on_episode(episode)
    return episodes


def wilson_interval(n_successes: int, n_trials: int) -> tuple[float, float]:
    """95 % confidence interval of a rate (Wilson 1927).

    Args:
        n_successes: Successes among the trials.
        n_trials: Trials, at least 1.

    Returns:
        Lower and upper bound.
    """
    interval = stats.binomtest(n_successes, n_trials).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
