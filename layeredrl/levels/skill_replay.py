"""What was done for skills, relabelled and paid when it is learned from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layeredrl.learners import Learner
from layeredrl.learners.learner import END_FLAG
from layeredrl.levels.level import LevelSpec
from layeredrl.levels.score_standardizer import ScoreStandardizer
from layeredrl.levels.skill_conditions import SkillConditions
from layeredrl.nets.encoder import TensorObservation, map_observation
from layeredrl.objectives import SkillObjective, SkillOutcomes, SkillSampler
from layeredrl.predictors import Predictor
from layeredrl.predictors.replay_tensors import info_array
from layeredrl.predictors.trajectory_batch import TrajectoryBatch, trajectory_batch_at
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.mapped_observations import vector_part
from layeredrl.utils.seeding import set_torch_generator_state
from layeredrl.utils.spaces import VECTOR_KEY
from layeredrl.utils.whole_stretches import draw_whole_stretches

# For so many updates skills are gathered and scored at once.
_UPDATES_AHEAD = 8


@dataclass(frozen=True)
class SkillReplayNumbers:
    """Numbers of a :class:`SkillReplay`."""

    control_interval: int
    """Decisions per skill at most."""
    relabel_ratio: float
    """Share of stretches that are learned from as if another skill had been asked for."""
    n_value_samples: int
    """Skills over which the value at the end of a skill is averaged; 0 to go on with the
    same skill."""


class SkillReplay:
    """Samples stretches of skills, and pays them by what the level above predicts now.

    Attributes:
        score: Mean score of what was paid in the last batch [nats], 0-dim.
    """

    def __init__(
        self,
        spec: LevelSpec,
        predictor: Predictor,
        objective: SkillObjective,
        conditions: SkillConditions,
        sampler: SkillSampler,
        numbers: SkillReplayNumbers,
    ):
        """Put the parts together.

        Args:
            spec: Where the level runs.
            predictor: The level above's.
            objective: Scores skills.
            conditions: Says where a skill stands in what is stored.
            sampler: Draws skills.
            numbers: Sizes.
        """
        self._spec = spec
        self._predictor = predictor
        self._objective = objective
        self._conditions = conditions
        self._sampler = sampler
        self._numbers = numbers
        self._obs_dim = int(np.prod(vector_part(spec.obs_shape)))
        self._standardizer = ScoreStandardizer(objective.standardizer_momentum, spec)
        self.score = torch.zeros((), device=spec.device)

    def batches(
        self,
        buffer: TransitionBuffer,
        learner: Learner,
        n_batches: int,
        batch_size: int,
        n_env_steps: int,
    ) -> Iterator[TrajectoryBatch]:
        """Sample what updates learn from.

        Args:
            buffer: Where decisions are stored.
            learner: Who learns.
            n_batches: Number of updates.
            batch_size: Stretches per update B.
            n_env_steps: Environment steps taken so far.

        Yields:
            Stretches with conditions and rewards as they count now.
        """
        while n_batches > 0:
            n_now = min(n_batches, _UPDATES_AHEAD)
            batch = self._sample(buffer, learner, n_now * batch_size)
            batch = self._paid(batch, buffer, n_now, n_env_steps)
            for i in range(n_now):
                yield batch.rows(slice(i * batch_size, (i + 1) * batch_size))
            n_batches -= n_now

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes.

        Returns:
            Statistics and generator.
        """
        return {
            "standardizer": self._standardizer.state_dict(),
            "generator": self._sampler.generator.get_state(),
            "score": self.score.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        self._standardizer.load_state_dict(state["standardizer"])
        set_torch_generator_state(self._sampler.generator, state["generator"])
        self.score = state["score"].to(self._spec.device, copy=True)

    def _sample(
        self, buffer: TransitionBuffer, learner: Learner, size: int
    ) -> TrajectoryBatch:
        if not learner.learns_from_whole:
            return learner.sample(buffer, size)
        length = self._numbers.control_interval
        drawn = draw_whole_stretches(buffer, size, length, END_FLAG)
        batch = trajectory_batch_at(
            buffer, *drawn, torch.Tensor.float, self._spec.device
        )
        return batch._replace(is_whole=True)

    @torch.no_grad()
    def _paid(
        self,
        batch: TrajectoryBatch,
        buffer: TransitionBuffer,
        n_batches: int,
        n_env_steps: int,
    ) -> TrajectoryBatch:
        seen = vector_part(batch.obs)
        condition = seen[..., self._obs_dim :]
        self._relabel(self._conditions.skill_of(condition))
        outcomes = self._outcomes(batch, buffer, condition)
        score, is_paid = self._objective.score(
            self._predictor, outcomes, self._sampler, n_env_steps
        )
        if is_paid.any():
            paid = torch.from_numpy(is_paid).to(score.device)
            what_is_paid = score[paid]
            self._standardizer.update(what_is_paid, n_batches)
            self.score = what_is_paid.mean()
            offset = self._objective.reward_offset
            score = (self._standardizer(score) + offset) * paid
        batch = batch._replace(rew=score)
        if self._numbers.n_value_samples == 0:
            return batch
        return batch._replace(
            next_conditions=self._next_conditions(batch, condition, outcomes)
        )

    def _relabel(self, skill: Tensor) -> None:
        """Replace the skills of some stretches, (B, T+1, A), in place."""
        n = len(skill)
        fresh = self._sampler.draw(n)
        draw = torch.rand(n, generator=self._sampler.generator, device=skill.device)
        is_fresh = (draw < self._numbers.relabel_ratio)[:, None, None]
        skill.copy_(torch.where(is_fresh, fresh.unsqueeze(1), skill))

    def _outcomes(
        self, batch: TrajectoryBatch, buffer: TransitionBuffer, condition: Tensor
    ) -> SkillOutcomes:
        rows = batch.indices.T
        n_steps = rows.shape[1]
        # Repeated positions are beyond the end.
        is_valid = np.ones(rows.shape, dtype=bool)
        is_valid[:, 1:] = rows[:, 1:] != rows[:, :-1]
        is_over = info_array(buffer, END_FLAG, rows)
        assert is_over is not None
        state, context = self._predictor.encoder(self._observed(batch.obs))
        state, context = (
            x.view(len(rows), n_steps + 1, x.shape[-1]) for x in (state, context)
        )
        return SkillOutcomes(
            skill=self._conditions.skill_of(condition[:, 0]),
            start=self._conditions.start_of(condition[:, 0], state[:, 0]),
            context=context[:, 0],
            state=state,
            is_over=is_over & is_valid,
            is_valid=is_valid,
        )

    def _observed(self, obs: TensorObservation) -> TensorObservation:
        """Take observations without conditions, all in one row of a batch."""
        vector = vector_part(obs)[..., : self._obs_dim]
        own = {**obs, VECTOR_KEY: vector} if isinstance(obs, dict) else vector
        return map_observation(own, lambda x: x.flatten(0, 1))

    def _next_conditions(
        self, batch: TrajectoryBatch, condition: Tensor, outcomes: SkillOutcomes
    ) -> Tensor:
        """What could be asked for next, or what still is, (B, n, C)."""
        n = self._numbers.n_value_samples
        rows = torch.arange(len(condition), device=condition.device)
        fresh = self._conditions.beginning(self._sampler.draw(len(rows), n))
        going_on = condition[rows, batch.traj_len].unsqueeze(1)
        is_over = torch.from_numpy(outcomes.is_over.any(1)).to(rows.device)
        return torch.where(is_over[:, None, None], fresh, going_on)
