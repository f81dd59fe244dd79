"""A skill level at work."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from layeredrl.errors import ConfigurationError
from layeredrl.learners import Learner
from layeredrl.levels.level import LevelSpec
from layeredrl.levels.policy_level import PolicyLevel
from layeredrl.levels.running_policy_level import RunningPolicyLevel
from layeredrl.levels.skill_conditions import SkillConditions
from layeredrl.levels.skill_replay import SkillReplay, SkillReplayNumbers
from layeredrl.objectives import SkillSampler
from layeredrl.predictors import Predictor
from layeredrl.predictors.trajectory_batch import TrajectoryBatch
from layeredrl.utils.seeding import spawn

if TYPE_CHECKING:
    from layeredrl.levels.skill_level import SkillLevel


class RunningSkillLevel(RunningPolicyLevel):
    """A :class:`~layeredrl.levels.SkillLevel` at work."""

    def __init__(self, spec: LevelSpec, recipe: "SkillLevel"):
        """Build learner and replay.

        Args:
            spec: Where it will run.
            recipe: Its description.

        Raises:
            ConfigurationError: If the level above does not predict, remembers, learns its
                encoder or sees something else; or the learner cannot learn from old skills.
            SpaceError: If the learner cannot see or act in these spaces.
        """
        predictor = _predictor_above(spec)
        conditions = SkillConditions(
            recipe.skill_space,
            recipe.control_interval,
            recipe.objective.shows_start,
            predictor,
        )
        super().__init__(
            spec,
            PolicyLevel(
                learner=recipe.learner,
                objective=conditions,
                n_decisions=recipe.control_interval,
                exploration=recipe.exploration,
                learning=recipe.learning,
                buffer_size=recipe.buffer_size,
            ),
        )
        _check_learner(self.learner)
        self._termination_probability = recipe.termination_probability
        self._freeze_env_steps = recipe.freeze_env_steps
        *_, seed = spawn(spec.seed, 4)  # the first three are the policy level's
        self._replay = SkillReplay(
            spec,
            predictor,
            recipe.objective,
            conditions,
            SkillSampler(recipe.skill_space, seed, spec.device),
            SkillReplayNumbers(
                recipe.control_interval, recipe.relabel_ratio, recipe.n_value_samples
            ),
        )

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes, but for the replay buffer."""
        return super().state_dict() | {"skill_replay": self._replay.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore everything but the replay buffer."""
        super().load_state_dict(state)
        self._replay.load_state_dict(state["skill_replay"])

    def _is_over(self, next_seen: np.ndarray, instances: np.ndarray) -> np.ndarray:
        is_over = super()._is_over(next_seen, instances)
        if self._termination_probability > 0.0:
            drawn = self._generator.random(len(instances))
            is_over |= drawn < self._termination_probability
        return is_over

    def _updates_owed(self, n_total_env_steps: int) -> int:
        frozen_at = self._freeze_env_steps
        if frozen_at is not None and n_total_env_steps > frozen_at:
            return 0
        return super()._updates_owed(n_total_env_steps)

    def _take_updates(self, n_updates: int, n_total_env_steps: int) -> dict[str, float]:
        numbers = super()._take_updates(n_updates, n_total_env_steps)
        return numbers | {"skill/score": float(self._replay.score)}

    def _batches(
        self, n_updates: int, n_total_env_steps: int
    ) -> Iterator[TrajectoryBatch]:
        assert self.buffer is not None
        return self._replay.batches(
            self.buffer,
            self.learner,
            n_updates,
            self._schedule.batch_size,
            n_total_env_steps,
        )


def _predictor_above(spec: LevelSpec) -> Predictor:
    predictor = spec.parent_predictor
    if predictor is None:
        raise ConfigurationError(
            "skills are paid by what the level above predicts of them, but the level above "
            "has no predictor; put a PlannerLevel there"
        )
    if predictor.encoder.max_seq_len is not None:
        raise ConfigurationError(
            "the level above a skill level must not remember: what its encoder makes of an "
            "observation has to be known whenever skills are learned from"
        )
    if predictor.learn_encoder and any(True for _ in predictor.encoder.parameters()):
        raise ConfigurationError(
            "the level above a skill level must not learn its encoder: how far a skill had "
            "come is stored in latent states that would change their meaning"
        )
    if not spec.shares_view:
        raise ConfigurationError(
            "a skill level must see what the level above sees, whose encoder reads where "
            "skills lead; give both the same obs_maps"
        )
    return predictor


def _check_learner(learner: Learner) -> None:
    if learner.is_on_policy or learner.max_seq_len is not None:
        raise ConfigurationError(
            f"a skill level needs an off-policy learner without memory, such as SAC or "
            f"TD-MPC2, got {type(learner).__name__}"
        )
