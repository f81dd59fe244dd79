"""A planner level at work."""

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.errors import ConfigurationError
from layeredrl.levels.decision_store import DecisionStore
from layeredrl.levels.episode_memory import EpisodeMemory
from layeredrl.levels.exploration import Exploration, RunningExploration
from layeredrl.levels.level import LevelSpec, RunningLevel
from layeredrl.predictors import Predictor
from layeredrl.types import Observation, Plan, Transition
from layeredrl.utils.action_sampling import sample_features
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.checkpoints import to_array
from layeredrl.utils.seeding import (
    numpy_generator,
    numpy_generator_state,
    seeded_initialization,
    set_numpy_generator_state,
    spawn,
    torch_generator,
)
from layeredrl.utils.spaces import action_dim, inner_bounds

if TYPE_CHECKING:
    from layeredrl.levels.planner_level import PlannerLevel


class RunningPlannerLevel(RunningLevel):
    """A :class:`~layeredrl.levels.PlannerLevel` at work.

    Attributes:
        planner: Plans.
        last_plan: The latest plan and the instances it was made for, for drawing.
        last_context: Contexts that this plan was made with, (B, C).
        n_env_steps: Environment steps that its finished training decisions took.
        n_updates: Updates of the predictor so far.
    """

    def __init__(self, spec: LevelSpec, recipe: "PlannerLevel"):
        """Build predictor, planner and buffer.

        Args:
            spec: Where it will run.
            recipe: Its description.

        Raises:
            SpaceError: If the planner cannot plan in the action space.
            ConfigurationError: If noise is asked for on actions without bounds.
        """
        super().__init__(spec)
        self._recipe = recipe
        seeds = spawn(spec.seed, 5)
        with seeded_initialization(seeds[0]):
            self._predictor = recipe.predictor_factory(
                spec.obs_shape, spec.action_space, spec.device, spec.writer
            )
        self._predictor.generator = torch_generator(seeds[1], spec.device)
        self._predictor.decision_interval = spec.decision_interval
        self._predictor.eval()
        self.planner = recipe.partial_planner(
            predictor=self._predictor,
            action_space=spec.action_space,
            n_instances=spec.n_instances,
            seed=seeds[2],
        )
        self._generator = numpy_generator(seeds[3])
        self._store: DecisionStore | None = None
        if spec.keeps_buffer:
            buffer = TransitionBuffer(recipe.buffer_size, spec.n_instances, seeds[4])
            self._store = DecisionStore(buffer)
        dim = self._action_dim = action_dim(spec.action_space)
        self._exploration = RunningExploration(
            recipe.exploration, spec.n_instances, dim
        )
        self._noise_range = _noise_range(spec.action_space, recipe.exploration)
        self.last_plan: tuple[Plan, np.ndarray] | None = None
        self.last_context: torch.Tensor | None = None
        self.n_env_steps = self.n_updates = self._last_learned = 0
        self._was_random = np.zeros(spec.n_instances, dtype=bool)
        self._memory = EpisodeMemory(
            self._predictor.encoder, spec.n_instances, dim, spec.device
        )

    @property
    def predictor(self) -> Predictor:
        """What the level below may read."""
        return self._predictor

    @property
    def buffer(self) -> TransitionBuffer | None:
        """Its decisions; ``None`` in an acting copy."""
        return None if self._store is None else self._store.buffer

    @property
    def reward_gamma(self) -> float:
        """Rewards within a decision are discounted unless their mean is stored."""
        return 1.0 if self._recipe.use_mean_reward else self._predictor.gamma

    @torch.no_grad()
    def get_action(
        self,
        obs: Observation,
        level_input: np.ndarray | None,
        instances: np.ndarray,
    ) -> np.ndarray:
        """Encode, then plan or act at random."""
        state, context = self._memory.encode(obs, instances)
        is_random = np.zeros(len(instances), dtype=bool)
        if self.is_training:
            is_random = self._exploration.choose(
                instances, self.n_env_steps, self._generator
            )
        self._was_random[instances] = is_random
        action = np.empty((len(instances), self._action_dim), np.float32)
        if is_random.any():
            action[is_random] = self._random_actions(instances[is_random])
        if not is_random.all():
            rows = torch.from_numpy(np.flatnonzero(~is_random)).to(state.device)
            action[~is_random] = self._planned_actions(
                state[rows], context[rows], instances[~is_random]
            )
        self._memory.note_action(action, instances)
        return action

    def process_transition(self, transition: Transition) -> np.ndarray:
        """Store the decision; control always goes back, to nobody at the top."""
        instances = transition.instances
        reward = transition.reward
        if self._recipe.use_mean_reward:
            reward = reward / transition.n_env_steps
        time_idx = self._memory.time_idx(instances)
        self._memory.note_reward(reward, instances)
        if self.is_training:
            self.n_env_steps += int(transition.n_env_steps.sum())
            if self._store is not None:
                was_random = self._was_random[instances]
                self._store.add(transition, reward, was_random, time_idx)
        elif self._store is not None:
            self._store.skip(instances)
        return np.ones(len(instances), dtype=bool)

    def reset(self, instances: np.ndarray) -> None:
        """Forget plans, memory and random phases."""
        self.planner.reset(instances)
        self._exploration.reset(instances)
        self._memory.reset(instances)
        if self._store is not None:
            self._store.skip(instances)

    def learn(self, n_total_env_steps: int) -> dict[str, float]:
        """Take the updates that are due."""
        if not self.is_training or self.buffer is None or len(self.buffer) == 0:
            return {}
        schedule = self._recipe.learning
        n_steps = schedule.updates_owed(
            n_total_env_steps, self._last_learned, self.n_updates
        )
        if n_steps == 0:
            return {}
        _, metrics = self._predictor.learn(
            self.buffer,
            n_steps,
            schedule.batch_size,
            schedule.model_batch_size,
            n_total_env_steps,
        )
        self._last_learned = n_total_env_steps
        self.n_updates += n_steps
        numbers = {f"predictor/{name}": float(x) for name, x in metrics.items()}
        return numbers | {"n_updates": float(self.n_updates)}

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes, but for the replay buffer."""
        generator = self._predictor.generator
        assert generator is not None
        return {
            "predictor": copy.deepcopy(dict(self._predictor.state_dict())),
            "training": self._predictor.training_state(),
            "predictor_generator": generator.get_state(),
            "planner": self.planner.state_dict(),
            "generator": numpy_generator_state(self._generator),
            "exploration": self._exploration.state_dict(),
            "counters": self._counters(),
            "was_random": self._was_random.copy(),
            "memory": self._memory.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore everything but the replay buffer."""
        self._predictor.load_state_dict(state["predictor"])
        self._predictor.load_training_state(state["training"])
        assert self._predictor.generator is not None
        self._predictor.generator.set_state(state["predictor_generator"].cpu())
        self.planner.load_state_dict(state["planner"])
        set_numpy_generator_state(self._generator, state["generator"])
        self._exploration.load_state_dict(state["exploration"])
        self._load_counters(state["counters"])
        self._was_random = to_array(state["was_random"])
        self._memory.load_state_dict(state["memory"])
        if self._store is not None:  # unless its buffer is loaded next, it is another
            self._store.skip(np.arange(self.spec.n_instances))

    def acting_state(self) -> dict[str, Any]:
        """Copy the predictor and the counters."""
        return {
            "predictor": copy.deepcopy(dict(self._predictor.state_dict())),
            "counters": self._counters(),
        }

    def load_acting_state(self, state: dict[str, Any]) -> None:
        """Restore the predictor and the counters."""
        self._predictor.load_state_dict(state["predictor"])
        self._load_counters(state["counters"])

    def replay_buffers(self) -> dict[str, TransitionBuffer]:
        """Name the one replay buffer."""
        return {} if self.buffer is None else {"replay": self.buffer}

    def buffer_state(self) -> dict[str, Any]:
        """Copy the replay buffer."""
        return {} if self.buffer is None else self.buffer.state_dict()

    def load_buffer_state(self, state: dict[str, Any]) -> None:
        """Restore the replay buffer."""
        if self.buffer is not None and state:
            self.buffer.load_state_dict(state)

    def _random_actions(self, instances: np.ndarray) -> np.ndarray:
        self.planner.reset(instances)  # a plan that was not followed is no start
        fresh = sample_features(self.spec.action_space, len(instances), self._generator)
        return self._exploration.hold(instances, fresh)

    def _planned_actions(
        self, state: torch.Tensor, context: torch.Tensor, instances: np.ndarray
    ) -> np.ndarray:
        plan = self.planner.plan(state, context, instances)
        self.last_plan, self.last_context = (plan, instances), context
        action = plan.actions[:, 0].cpu().numpy()
        std = self._exploration.noise_std(self.n_env_steps)
        if not self.is_training or std == 0.0 or self._noise_range is None:
            return action
        low, high = self._noise_range
        noise = self._generator.standard_normal(action.shape, dtype=np.float32)
        return np.clip(action + 0.5 * std * (high - low) * noise, low, high)

    def _counters(self) -> dict[str, int]:
        return {
            "n_env_steps": self.n_env_steps,
            "n_updates": self.n_updates,
            "last_learned": self._last_learned,
        }

    def _load_counters(self, counters: dict[str, int]) -> None:
        self.n_env_steps = counters["n_env_steps"]
        self.n_updates = counters["n_updates"]
        self._last_learned = counters["last_learned"]


def _noise_range(
    space: spaces.Space, exploration: Exploration
) -> tuple[np.ndarray, np.ndarray] | None:
    if exploration.noise_std == 0.0:
        return None
    if isinstance(space, spaces.Box) and space.is_bounded():
        return inner_bounds(space)
    raise ConfigurationError(
        f"Gaussian noise needs bounded Box actions, got {space}; use random_probability"
    )
