"""A planner level at work."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.errors import CheckpointError
from layeredrl.levels.decision import Decision
from layeredrl.levels.episode_memory import EpisodeMemory
from layeredrl.levels.learning_level import LearningLevel
from layeredrl.levels.level import LevelLog, LevelSpec
from layeredrl.levels.owned_predictor import owned_predictor
from layeredrl.levels.planner_log import PlannerLog
from layeredrl.levels.surprise import RunningSurprise
from layeredrl.planners import Planner
from layeredrl.predictors import Predictor
from layeredrl.predictors.hindsight import Hindsight
from layeredrl.types import Observation, Plan, Transition
from layeredrl.utils.checkpoints import to_array
from layeredrl.utils.global_generators import BorrowedGenerators
from layeredrl.utils.seeding import set_torch_generator_state, spawn

if TYPE_CHECKING:
    from layeredrl.levels.planner_level import PlannerLevel


class RunningPlannerLevel(LearningLevel):
    """A :class:`~layeredrl.levels.PlannerLevel` at work.

    Attributes:
        last_plan: The latest plan and the instances it was made for, for drawing.
        last_decision: The latest decisions, those that go on with a plan included; a new
            object each time, for recording.
    """

    def __init__(self, spec: LevelSpec, recipe: "PlannerLevel"):
        """Build predictor, planner and buffer.

        Args:
            spec: Where it will run.
            recipe: Its description.

        Raises:
            SpaceError: If the planner cannot plan in the action space, or noise is asked
                for on actions without bounds.
            ConfigurationError: If noise is asked for on discrete actions.
        """
        seeds = spawn(spec.seed, 7)
        super().__init__(
            spec, recipe.exploration, recipe.learning, recipe.buffer_size, seeds[3:5]
        )
        self._recipe = recipe
        self._predictor = owned_predictor(recipe, spec, *seeds[:2])
        # Dropout and shifts of pictures draw from torch's global generator.
        self._generators = BorrowedGenerators(seeds[6], spec.device)
        self._planners = [self._build_planner(recipe.partial_planner, seeds[2])]
        if recipe.partial_eval_planner is not None:
            self._planners.append(
                self._build_planner(recipe.partial_eval_planner, seeds[5])
            )
        longest = max(_carried_out(planner) for planner in self._planners)
        shape = (spec.n_instances, longest, self._action_dim)
        self._kept = np.zeros(shape, np.float32)
        self._n_kept = np.zeros(spec.n_instances, dtype=np.int64)
        self._surprise: RunningSurprise | None = None
        if recipe.surprise is not None:
            self._surprise = RunningSurprise(
                recipe.surprise, self._predictor, spec.n_instances
            )
        self._log = PlannerLog(spec.n_instances)
        self.last_plan: tuple[Plan, np.ndarray] | None = None
        self.last_decision: Decision | None = None
        self._memory = EpisodeMemory(
            self._predictor.encoder, spec.n_instances, self._action_dim, spec.device
        )

    def _build_planner(
        self, partial_planner: Callable[..., Planner], seed: np.random.SeedSequence
    ) -> Planner:
        return partial_planner(
            predictor=self._predictor,
            action_space=self.spec.action_space,
            n_instances=self.spec.n_instances,
            seed=seed,
        )

    @property
    def planner(self) -> Planner:
        """What plans now."""
        return self._planners[0 if self.is_training else -1]

    @property
    def predictor(self) -> Predictor:
        """What the level below may read."""
        return self._predictor

    @property
    def reward_gamma(self) -> float:
        """Rewards within a decision are discounted unless their mean is stored."""
        return 1.0 if self._recipe.use_mean_reward else self._predictor.gamma

    def learned_reward(self, reward: np.ndarray, n_env_steps: np.ndarray) -> np.ndarray:
        """Say what the predictor learns to predict.

        Args:
            reward: Sums of rewards over decisions, discounted by ``reward_gamma``, (B,).
            n_env_steps: Environment steps that they took, (B,).

        Returns:
            The mean per environment step, or the sums as they are, (B,).
        """
        return reward / n_env_steps if self._recipe.use_mean_reward else reward

    @torch.no_grad()
    def get_action(
        self,
        obs: Observation,
        level_input: np.ndarray | None,
        instances: np.ndarray,
    ) -> np.ndarray:
        """Encode, then plan or act at random."""
        state, context = self._memory.encode(obs, instances)
        is_random = self._choose_random(instances)
        if self._surprise is not None:
            is_random |= self._give_up_plans(self._surprise, state, instances)
        self._exploration.let_go(instances[~is_random])
        action = np.empty((len(instances), self._action_dim), np.float32)
        if is_random.any():
            # A plan that was not followed is no start for the next one.
            self._forget_plans(instances[is_random])
            self._log.drop(instances[is_random])
            action[is_random] = self._random_actions(instances[is_random])
        if not is_random.all():
            rows = torch.from_numpy(np.flatnonzero(~is_random)).to(state.device)
            action[~is_random] = self._kept_or_planned(
                state[rows], context[rows], instances[~is_random]
            )
        if self._surprise is not None:
            decided = torch.from_numpy(action).to(state.device)
            self._surprise.expect(state, context, decided, instances)
        self._memory.clock.note_action(action, instances)
        if self.is_training:
            self._log.note_decision(state, context, action)
        self.last_decision = Decision(instances, state, context, action, is_random)
        return action

    def process_transition(self, transition: Transition) -> np.ndarray:
        """Store the decision; control always goes back, to nobody at the top."""
        instances = transition.instances
        reward = self.learned_reward(transition.reward, transition.n_env_steps)
        clock = self._memory.clock
        time_idx = clock.time[instances]
        clock.note_reward(reward, instances)
        self._log.note_reward(reward, instances)
        self._remember(transition, reward, time_idx)
        return np.ones(len(instances), dtype=bool)

    def reset(self, instances: np.ndarray) -> None:
        """Forget plans, memory and random phases."""
        super().reset(instances)
        self._forget_plans(instances)
        self._log.drop(instances)
        if self._surprise is not None:
            self._surprise.reset(instances)
        self._memory.reset(instances)

    def log(self) -> LevelLog:
        """Tell what plans promised and what came of them, and show what was decided."""
        is_discrete = isinstance(self.spec.action_space, spaces.Discrete)
        return self._log.take(self._predictor.model, is_discrete)

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes, but for the replay buffer."""
        generator = self._predictor.generator
        assert generator is not None
        return super().state_dict() | {
            "predictor": copy.deepcopy(dict(self._predictor.state_dict())),
            "training": self._predictor.training_state(),
            "predictor_generator": generator.get_state(),
            "generators": self._generators.state_dict(),
            "planners": [planner.state_dict() for planner in self._planners],
            "kept": self._kept.copy(),
            "n_kept": self._n_kept.copy(),
            "surprise": self._surprise and self._surprise.state_dict(),
            "memory": self._memory.state_dict(),
            "log": self._log.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore everything but the replay buffer.

        Raises:
            CheckpointError: If the saved level does not fit this one.
        """
        if (state["surprise"] is None) != (self._surprise is None):
            raise CheckpointError(
                "one of the saved level and this one gives plans up after a surprise, the "
                f"other does not; this one has surprise={self._recipe.surprise}"
            )
        super().load_state_dict(state)
        self._predictor.load_state_dict(state["predictor"])
        self._predictor.load_training_state(state["training"])
        assert self._predictor.generator is not None
        set_torch_generator_state(
            self._predictor.generator, state["predictor_generator"]
        )
        if "generators" in state:  # older checkpoints have none
            self._generators.load_state_dict(state["generators"])
        for planner, saved in zip(self._planners, state["planners"], strict=True):
            planner.load_state_dict(saved)
        self._kept = to_array(state["kept"])
        self._n_kept = to_array(state["n_kept"])
        if self._surprise is not None:
            self._surprise.load_state_dict(state["surprise"])
        self._memory.load_state_dict(state["memory"])
        if "log" in state:  # older checkpoints have none
            self._log.load_state_dict(state["log"])

    def acting_state(self) -> dict[str, Any]:
        """Copy the predictor and the counters."""
        predictor = copy.deepcopy(dict(self._predictor.state_dict()))
        return super().acting_state() | {"predictor": predictor}

    def load_acting_state(self, state: dict[str, Any]) -> None:
        """Restore the predictor and the counters."""
        super().load_acting_state(state)
        self._predictor.load_state_dict(state["predictor"])

    @property
    def _relabelling(self) -> Hindsight | None:
        return self._predictor.hindsight

    def _take_updates(self, n_updates: int, n_total_env_steps: int) -> dict[str, float]:
        schedule = self._recipe.learning
        assert self.buffer is not None
        with self._generators.lent():
            _, metrics = self._predictor.learn(
                self.buffer,
                n_updates,
                schedule.batch_size,
                schedule.model_batch_size,
                n_total_env_steps,
            )
        return {f"predictor/{name}": float(x) for name, x in metrics.items()}

    def _forget_plans(self, instances: np.ndarray) -> None:
        for planner in self._planners:
            planner.reset(instances)
        self._n_kept[instances] = 0

    def _give_up_plans(
        self, surprise: RunningSurprise, state: torch.Tensor, instances: np.ndarray
    ) -> np.ndarray:
        """Forget plans that led elsewhere; tell who decides at random for that, (B,)."""
        is_surprised = surprise.surprised(state, instances)
        self._forget_plans(instances[is_surprised])
        is_random = surprise.turns_random(is_surprised, instances)
        self._was_random[instances] |= is_random
        return is_random

    def _kept_or_planned(
        self, state: torch.Tensor, context: torch.Tensor, instances: np.ndarray
    ) -> np.ndarray:
        """Go on with plans for as long as they are followed, else plan."""
        is_due = self._n_kept[instances] == 0
        if is_due.any():
            due = instances[is_due]
            rows = torch.from_numpy(np.flatnonzero(is_due)).to(state.device)
            actions = self._planned_actions(state[rows], context[rows], due)
            self._kept[due, -actions.shape[1] :] = actions
            self._n_kept[due] = actions.shape[1]
        position = self._kept.shape[1] - self._n_kept[instances]
        self._n_kept[instances] -= 1
        return self._kept[instances, position]

    def _planned_actions(
        self, state: torch.Tensor, context: torch.Tensor, instances: np.ndarray
    ) -> np.ndarray:
        """Plan; return what is carried out before the next search, (B, L, A)."""
        planner = self.planner
        plan = planner.plan(state, context, instances)
        self.last_plan = (plan, instances)
        if self.is_training:
            self._log.note_plan(plan, instances)
        chosen = plan.actions[:, : _carried_out(planner) : planner.n_repeats]
        noisy = self._noisy(chosen.flatten(0, 1).cpu().numpy())
        return noisy.reshape(chosen.shape).repeat(planner.n_repeats, axis=1)


def _carried_out(planner: Planner) -> int:
    """Count the decisions from one search to the next."""
    return planner.n_followed * planner.n_repeats
