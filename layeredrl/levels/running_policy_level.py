"""A policy level at work."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.learners import Learner, LearnerSpec, Situation
from layeredrl.learners.learner import END_FLAG
from layeredrl.levels.decision_outbox import ForwardedDecisions
from layeredrl.levels.episode_clock import EpisodeClock
from layeredrl.levels.exploration import Exploration
from layeredrl.levels.learning_level import LearningLevel
from layeredrl.levels.learning_schedule import LearningSchedule
from layeredrl.levels.level import LevelSpec
from layeredrl.levels.pursuits import Pursuits
from layeredrl.predictors.hindsight import Hindsight
from layeredrl.predictors.replay_tensors import observation_tensors, tensor
from layeredrl.predictors.trajectory_batch import TrajectoryBatch, trajectory_batch_at
from layeredrl.types import Observation, Transition
from layeredrl.utils.fresh_experience import fresh_stretches
from layeredrl.utils.mapped_observations import vector_part
from layeredrl.utils.observation_maps import Shape
from layeredrl.utils.seeding import spawn
from layeredrl.utils.spaces import VECTOR_KEY

if TYPE_CHECKING:
    from layeredrl.levels.policy_level import PolicyLevel

_ON_POLICY_LEARNING = LearningSchedule(start_env_steps=0, interval_env_steps=2048)
_ON_POLICY_EXPLORATION = Exploration(warm_up_env_steps=0)


class RunningPolicyLevel(LearningLevel):
    """A :class:`~layeredrl.levels.PolicyLevel` at work.

    Attributes:
        learner: Learns the policy.
    """

    def __init__(self, spec: LevelSpec, recipe: "PolicyLevel"):
        """Build the learner.

        Args:
            spec: Where it will run.
            recipe: Its description.

        Raises:
            SpaceError: If the learner cannot see or act in these spaces, or the objective
                does not fit them.
            ConfigurationError: If random decisions are asked for with an on-policy
                learner, or relabelling; or if it is on top, but has to be asked.
        """
        if spec.input_space is None and recipe.objective.input_space is not None:
            raise ConfigurationError(
                "nobody asks the level on top for anything, but its objective needs that: "
                f"{recipe.objective}"
            )
        seeds = spawn(spec.seed, 3)
        n_obs = int(np.prod(vector_part(spec.obs_shape)))
        n_condition = recipe.objective.condition_dim(n_obs)
        self.learner: Learner = recipe.learner.build(
            LearnerSpec(
                obs_shape=_widened(spec.obs_shape, n_condition),
                n_condition=n_condition,
                action_space=spec.action_space,
                n_instances=spec.n_instances,
                device=spec.device,
                seed=seeds[0],
            )
        )
        super().__init__(
            spec,
            *_schedules(recipe, self.learner.is_on_policy),
            recipe.buffer_size,
            seeds[1:],
        )
        self._recipe = recipe
        self._hindsight = _hindsight(recipe, n_obs, self.learner.is_on_policy)
        self._clock = EpisodeClock(spec.n_instances, self._action_dim)
        self._pursuits = Pursuits(recipe.objective, spec.n_instances, spec.input_space)

    @property
    def reward_gamma(self) -> float:
        """Rewards within a decision are discounted as the learner does."""
        return self.learner.gamma

    def get_action(
        self,
        obs: Observation,
        level_input: np.ndarray | None,
        instances: np.ndarray,
    ) -> np.ndarray:
        """Ask the policy, or act at random."""
        self._pursuits.begin(obs, level_input, instances)
        seen = self._pursuits.seen(obs, instances)
        is_random = self._choose_random(instances)
        self._exploration.let_go(instances[~is_random])
        # Asked everywhere: policies with memory have to see every step.
        action = self.learner.act(self._situation(seen, instances), self.is_training)
        decided = self._noisy(action.cpu().numpy().astype(np.float32))  # a copy
        if is_random.any():
            decided[is_random] = self._random_actions(instances[is_random])
        self._clock.note_action(decided, instances)
        return decided

    def process_transition(self, transition: Transition) -> np.ndarray:
        """Store the decision; hand control back when what was asked for is over."""
        instances = transition.instances
        seen = self._pursuits.seen(transition.obs, instances)
        self._pursuits.advance(instances)
        next_seen = self._pursuits.seen(transition.next_obs, instances)
        reward = self._recipe.objective.reward(
            vector_part(next_seen), transition.reward
        )
        is_over = self._is_over(vector_part(next_seen), instances)
        time_idx = self._clock.time[instances]
        self._clock.note_reward(reward, instances)
        stored = transition._replace(obs=seen, next_obs=next_seen)
        ends = {} if self.spec.input_space is None else {END_FLAG: is_over}
        self._remember(stored, reward, time_idx, **ends)
        self._pursuits.end(instances[is_over])
        return is_over

    def reset(self, instances: np.ndarray) -> None:
        """Forget the episode."""
        super().reset(instances)
        self._clock.reset(instances)
        self._pursuits.end(instances)
        self.learner.reset(instances)

    def add_forwarded(self, forwarded: ForwardedDecisions) -> None:
        """Store the decisions as its own, and let the learner count them."""
        super().add_forwarded(forwarded)
        self.learner.count_decisions(len(forwarded.instances))

    def env_steps_of_policy(self, n_total_env_steps: int) -> int | None:
        """Let an on-policy learner learn before its policy is history."""
        if not self.learner.is_on_policy:
            return None
        return self._schedule.env_steps_until_due(n_total_env_steps, self._last_learned)

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes, but for the replay buffer."""
        return super().state_dict() | {
            "learner": self.learner.state_dict(),
            "clock": self._clock.state_dict(),
            "pursuits": self._pursuits.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore everything but the replay buffer."""
        super().load_state_dict(state)
        self.learner.load_state_dict(state["learner"])
        self._clock.load_state_dict(state["clock"])
        self._pursuits.load_state_dict(state["pursuits"])
        # Unless its own buffer is loaded next, what is there was met by another policy.
        if self.buffer is not None:
            self.buffer.n_consumed = self.buffer.n_added.copy()

    def acting_state(self) -> dict[str, Any]:
        """Copy the policy and the counters."""
        return super().acting_state() | {"learner": self.learner.acting_state()}

    def load_acting_state(self, state: dict[str, Any]) -> None:
        """Restore the policy and the counters."""
        super().load_acting_state(state)
        self.learner.load_acting_state(state["learner"])

    @property
    def _relabelling(self) -> Hindsight | None:
        return self._hindsight

    def _updates_owed(self, n_total_env_steps: int) -> int:
        if not self.learner.is_on_policy:
            return super()._updates_owed(n_total_env_steps)
        assert self.buffer is not None
        is_due = self._schedule.is_due(n_total_env_steps, self._last_learned)
        return int(is_due and (self.buffer.n_added > self.buffer.n_consumed).any())

    def _take_updates(self, n_updates: int, n_total_env_steps: int) -> dict[str, float]:
        found: dict[str, list[torch.Tensor]] = {}
        for batch in self._batches(n_updates, n_total_env_steps):
            for name, value in self.learner.update(batch).items():
                found.setdefault(name, []).append(value)  # not every update has all
        return {
            f"learner/{name}": float(torch.stack(values).double().mean())
            for name, values in found.items()
        }

    def _is_over(self, next_seen: np.ndarray, instances: np.ndarray) -> np.ndarray:
        """Decide whether what was asked for is over, (B,) bool."""
        is_over = self._pursuits.n_decisions[instances] >= self._recipe.n_decisions
        return is_over | self._recipe.objective.is_done(next_seen)

    def _batches(
        self, n_updates: int, n_total_env_steps: int
    ) -> Iterator[TrajectoryBatch]:
        """Give each update what it learns from."""
        return (self._batch() for _ in range(n_updates))

    def _batch(self) -> TrajectoryBatch:
        assert self.buffer is not None
        if self.learner.is_on_policy:
            return self._fresh_batch()
        batch = self.learner.sample(self.buffer, self._schedule.batch_size)
        if self._hindsight is None:
            return batch
        return self._hindsight.relabelled(batch, self.buffer, self.learner.gamma)

    def _fresh_batch(self) -> TrajectoryBatch:
        buffer = self.buffer
        assert buffer is not None
        fresh = fresh_stretches(buffer, buffer.n_consumed, END_FLAG)
        buffer.n_consumed = buffer.n_added.copy()
        return trajectory_batch_at(buffer, *fresh, torch.Tensor.float, self.spec.device)

    def _situation(self, seen: Observation, instances: np.ndarray) -> Situation:
        device = self.spec.device
        return Situation(
            obs=observation_tensors(seen, device),
            prev_action=tensor(self._clock.action[instances], device),
            prev_reward=tensor(self._clock.reward[instances], device),
            time_idx=tensor(self._clock.time[instances], device),
            instances=instances,
        )


def _widened(shape: Shape, n_more: int) -> Shape:
    """Add vector features to what is seen."""
    if isinstance(shape, dict):
        return {**shape, VECTOR_KEY: (shape[VECTOR_KEY][0] + n_more,)}
    return (shape[0] + n_more,)


def _schedules(
    recipe: "PolicyLevel", is_on_policy: bool
) -> tuple[Exploration, LearningSchedule]:
    if not is_on_policy:
        exploration = recipe.exploration or Exploration()
        return exploration, recipe.learning or LearningSchedule()
    exploration = recipe.exploration or _ON_POLICY_EXPLORATION
    if exploration.is_active:
        raise ConfigurationError(
            "an on-policy learner cannot learn from decisions that its policy did not "
            f"take, but random ones are asked for: {exploration}"
        )
    return exploration, recipe.learning or _ON_POLICY_LEARNING


def _hindsight(
    recipe: "PolicyLevel", n_obs: int, is_on_policy: bool
) -> Hindsight | None:
    hindsight = recipe.hindsight or recipe.objective.hindsight(n_obs)
    if recipe.hindsight is not None and is_on_policy:
        raise ConfigurationError(
            "an on-policy learner cannot learn from relabelled experience"
        )
    if hindsight is None or is_on_policy:
        return None
    return hindsight.paying("sum")
