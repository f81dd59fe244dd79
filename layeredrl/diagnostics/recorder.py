"""Watching evaluation episodes of a hierarchy with a planner on top."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv

from layeredrl.collectors import Step, evaluate
from layeredrl.diagnostics.recording import Recording
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import RunningPlannerLevel
from layeredrl.predictors.replay_tensors import observation_tensors

_GOALS = ("achieved_goal", "desired_goal")


class EpisodeRecorder:
    """Notes decisions, plans and where they led; hand it to ``evaluate(on_step=...)``.

    All instances are recorded at once, and everything is put in order at the end.
    """

    def __init__(self, hierarchy: Hierarchy, keeps_paths: bool = True):
        """Look at the level on top.

        Args:
            hierarchy: What will be evaluated.
            keeps_paths: Whether latent states at the environment steps within decisions
                are kept, too, which costs one call of the encoder per step.

        Raises:
            ConfigurationError: If the level on top does not plan, or paths are asked for
                but its encoder remembers: it is shown one observation per decision, so
                what it would make of those between is not defined.
        """
        level = hierarchy.levels[0]
        if not isinstance(level, RunningPlannerLevel):
            raise ConfigurationError(
                "only hierarchies with a planner on top can be recorded, here it is "
                f"{type(level).__name__}"
            )
        self._is_memoryless = level.predictor.encoder.max_seq_len is None
        if keeps_paths and not self._is_memoryless:
            raise ConfigurationError(
                "latent states between decisions are not defined for an encoder with "
                f"memory ({type(level.predictor.encoder).__name__}); use "
                "keeps_paths=False"
            )
        self._hierarchy, self._level = hierarchy, level
        self._keeps_paths = keeps_paths
        self._seen: tuple[Any, Any] = (level.last_decision, level.last_plan)
        self._plans: np.ndarray | None = None
        self._age = np.zeros(hierarchy.n_instances, np.int64)
        self._steps: list[dict[str, np.ndarray]] = []

    def __call__(
        self, obs: Any, actions: np.ndarray, step: Step, playing: np.ndarray
    ) -> None:
        """Note an environment step.

        Args:
            obs: Observations acted on.
            actions: Actions taken.
            step: What happened.
            playing: Which instances are evaluated, (B,) bool.
        """
        row = {
            "playing": playing.copy(),
            "done": step.terminated | step.truncated,
            "reached": self._encode(step.next_obs, playing),
            "reward": step.reward.astype(np.float32),
        }
        self._steps.append(row | self._decisions(playing) | _goals(obs))

    def recording(self) -> Recording:
        """Put what was noted in order.

        Returns:
            Whole decisions only: one that was still going on is left out.

        Raises:
            ConfigurationError: If nothing was recorded.
        """
        if not any(row["decided"].any() for row in self._steps):
            raise ConfigurationError("no decision was recorded")
        names = self._steps[0].keys()
        table = {name: np.stack([row[name] for row in self._steps]) for name in names}
        playing = table.pop("playing").T
        # Instance by instance, step by step.
        flat = {name: x.swapaxes(0, 1)[playing] for name, x in table.items()}
        instance = np.repeat(np.arange(len(playing)), playing.sum(1))
        return _assemble(
            flat, instance, self._level, self._is_memoryless, self._keeps_paths
        )

    def _decisions(self, playing: np.ndarray) -> dict[str, np.ndarray]:
        """Rows of all instances; those that did not decide hold nothing of meaning."""
        decision = self._level.last_decision
        self._take_plans()
        if decision is None or decision is self._seen[0]:
            assert self._steps, "the first step of an episode is decided"
            names = ("state", "context", "action", "planned")
            empty = {name: np.empty_like(self._steps[0][name]) for name in names}
            return {"decided": np.zeros_like(playing)} | empty
        self._seen = (decision, self._seen[1])
        n, rows = len(playing), decision.instances
        decided = np.zeros(n, dtype=bool)
        decided[rows] = playing[rows]
        parts = {
            "state": decision.state.cpu().numpy(),
            "context": decision.context.cpu().numpy(),
            "action": decision.action,
            "planned": self._planned(rows, decision.is_random),
        }
        self._age[rows] += 1
        return {"decided": decided} | {
            name: _scattered(part, rows, n) for name, part in parts.items()
        }

    def _take_plans(self) -> None:
        """Note new plans; decisions may follow an older one for some time."""
        if self._level.last_plan is None or self._level.last_plan is self._seen[1]:
            return
        plan, instances = self._level.last_plan
        self._seen = (self._seen[0], self._level.last_plan)
        states = plan.info.predicted_states.cpu().numpy()
        if self._plans is None:
            shape = (self._hierarchy.n_instances, *states.shape[1:])
            self._plans = np.full(shape, np.nan, np.float32)
        self._plans[instances] = states
        self._age[instances] = 0

    def _planned(self, rows: np.ndarray, is_random: np.ndarray) -> np.ndarray:
        """What is left of the plans, (B, T+1, Z), NaN beyond their end and without one."""
        assert self._plans is not None, "in evaluation the first decision is planned"
        plans = self._plans[rows]
        index = self._age[rows][:, None] + np.arange(plans.shape[1])
        left = np.take_along_axis(
            plans, np.minimum(index, plans.shape[1] - 1)[..., None], axis=1
        )
        left[index >= plans.shape[1]] = np.nan
        left[is_random] = np.nan
        return left

    @torch.no_grad()
    def _encode(self, obs: Any, playing: np.ndarray) -> np.ndarray:
        predictor = self._level.predictor
        if not self._is_memoryless:
            shape = (len(playing), predictor.latent_state_dim)
            return np.full(shape, np.nan, np.float32)
        seen = self._hierarchy.seen_by(0, obs, playing)
        tensors = observation_tensors(seen, predictor.device)
        state, _ = predictor.encoder(tensors)
        encoded: np.ndarray = state.cpu().numpy()
        return encoded


def record_episodes(
    hierarchy: Hierarchy,
    env: VectorEnv,
    n_episodes: int,
    seed: int,
    keeps_paths: bool = True,
) -> Recording:
    """Play whole episodes in evaluation mode and record them.

    Args:
        hierarchy: With a planner on top; usually an acting copy. It is left in evaluation
            mode.
        env: A vector environment that nobody else steps.
        n_episodes: Number of episodes, at least 1.
        seed: Seeds the environment.
        keeps_paths: As of :class:`EpisodeRecorder`.

    Returns:
        The recording.

    Raises:
        ConfigurationError: As :class:`EpisodeRecorder` and
            :func:`~layeredrl.collectors.evaluate` do.
    """
    recorder = EpisodeRecorder(hierarchy, keeps_paths)
    evaluate(hierarchy, env, n_episodes, seed, on_step=recorder)
    return recorder.recording()


def _assemble(
    flat: Mapping[str, np.ndarray],
    instance: np.ndarray,
    level: RunningPlannerLevel,
    is_memoryless: bool,
    keeps_paths: bool,
) -> Recording:
    """Turn a table of environment steps into one of decisions."""
    decided, done = flat["decided"], flat["done"]
    is_first = np.ones(len(done), dtype=bool)
    is_first[1:] = done[:-1] | (instance[1:] != instance[:-1])
    first = np.flatnonzero(decided)
    last = np.append(first[1:], len(done)) - 1
    # One that goes on where the record of its instance ends is not whole.
    whole = done[last] | (np.append(instance, -1)[last + 1] == instance[last])
    first, last = first[whole], last[whole]
    episode = np.cumsum(is_first)[first]
    episode = np.unique(episode, return_inverse=True)[1]
    n_env_steps = last - first + 1
    starts = np.searchsorted(episode, episode)
    reached = flat["reached"][last]
    if not is_memoryless:  # what the level itself saw next is known
        known = np.flatnonzero(episode[1:] == episode[:-1])
        reached[known] = flat["state"][first[known + 1]]
    return Recording(
        episode=episode.astype(np.int64),
        time=np.arange(len(first)) - starts,
        reached=reached,
        n_env_steps=n_env_steps,
        is_cut=done[last] & (n_env_steps < level.spec.decision_interval),
        path=_paths(flat, first, n_env_steps) if keeps_paths else None,
        reward=_rewards(flat["reward"], first, n_env_steps, level),
        **{
            name: flat[name][first]
            for name in ("state", "context", "action", "planned", *_GOALS)
            if name in flat
        },
    )


def _paths(
    flat: Mapping[str, np.ndarray], first: np.ndarray, n_env_steps: np.ndarray
) -> np.ndarray:
    """Latent states at the start and after each environment step of decisions."""
    step = np.arange(n_env_steps.max())
    rows = np.minimum(first[:, None] + step, len(flat["reached"]) - 1)
    after = flat["reached"][rows]
    after[step >= n_env_steps[:, None]] = np.nan
    return np.concatenate([flat["state"][first][:, None], after], axis=1)


def _rewards(
    reward: np.ndarray,
    first: np.ndarray,
    n_env_steps: np.ndarray,
    level: RunningPlannerLevel,
) -> np.ndarray:
    """What each decision was paid, as its level learns it, (D,) float32."""
    step = np.arange(n_env_steps.max())
    paid = reward[np.minimum(first[:, None] + step, len(reward) - 1)]
    discount = np.where(step < n_env_steps[:, None], level.reward_gamma**step, 0.0)
    total = (discount * paid).sum(1)
    return level.learned_reward(total, n_env_steps).astype(np.float32)


def _scattered(part: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    whole = np.full((n, *part.shape[1:]), np.nan, np.float32)
    whole[rows] = part
    return whole


def _goals(obs: Any) -> dict[str, np.ndarray]:
    """Read goals that are vectors."""
    if not isinstance(obs, Mapping) or not set(_GOALS) <= set(obs):
        return {}
    if any(np.ndim(obs[key]) != 2 for key in _GOALS):
        return {}
    return {key: np.asarray(obs[key], np.float32) for key in _GOALS}
