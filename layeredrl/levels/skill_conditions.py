"""What the policy of a skill level is shown beside its observation."""

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from layeredrl.objectives import Objective, Pursuit
from layeredrl.predictors import Predictor
from layeredrl.predictors.replay_tensors import observation_tensors
from layeredrl.types import Observation
from layeredrl.utils.spaces import action_dim


class SkillConditions(Objective):
    """The skill, and for objectives that ask for it how far it has come.

    A condition is made of the skill (A), the share of its decisions that are over, and how
    far the latent state has come since its start (Z); or of the skill alone. Nothing is
    paid when decisions are stored: what they are worth changes with the model.
    """

    def __init__(
        self,
        skill_space: spaces.Space,
        control_interval: int,
        shows_start: bool,
        predictor: Predictor,
    ):
        """Count the features.

        Args:
            skill_space: Space of the skills, ``Box`` or ``Discrete``.
            control_interval: Decisions per skill at most.
            shows_start: Whether the policy sees progress and start.
            predictor: The level above's; encodes where skills begin.
        """
        self._skill_space = skill_space
        self._control_interval = control_interval
        self._shows_start = shows_start
        self._predictor = predictor
        self._n_skill = action_dim(skill_space)

    @property
    def input_space(self) -> spaces.Space | None:
        """Take skills."""
        return self._skill_space

    def condition_dim(self, obs_dim: int) -> int:
        """Count skill, progress and start."""
        n_start = 1 + self._predictor.latent_state_dim if self._shows_start else 0
        return self._n_skill + n_start

    def remembered(self, obs: Observation) -> np.ndarray:
        """Encode where skills begin."""
        if not self._shows_start:
            return super().remembered(obs)
        return self._latent_state(obs)

    def condition(self, obs: Observation, pursuit: Pursuit) -> np.ndarray:
        """Show skills, and how long ago and how far away they began."""
        if not self._shows_start:
            return pursuit.level_input
        progress = (pursuit.n_decisions / self._control_interval)[:, None]
        way = self._latent_state(obs) - pursuit.start
        parts = [pursuit.level_input, progress, way]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def reward(self, seen: np.ndarray, env_reward: np.ndarray) -> np.ndarray:
        """Pay nothing."""
        return np.zeros_like(env_reward)

    def beginning(self, skill: Tensor) -> Tensor:
        """Make the conditions of skills that begin.

        Args:
            skill: Features (..., A).

        Returns:
            Conditions (..., C).
        """
        if not self._shows_start:
            return skill
        return torch.nn.functional.pad(skill, (0, 1 + self._predictor.latent_state_dim))

    def skill_of(self, condition: Tensor) -> Tensor:
        """Read the skill.

        Args:
            condition: Conditions (..., C).

        Returns:
            Skill features (..., A), a view.
        """
        return condition[..., : self._n_skill]

    def start_of(self, condition: Tensor, state: Tensor) -> Tensor:
        """Find out where the skill began.

        Args:
            condition: Conditions (..., C).
            state: Latent states where they were shown, (..., Z).

        Returns:
            Latent states (..., Z); the given ones if it is not shown.
        """
        return (
            state - condition[..., self._n_skill + 1 :] if self._shows_start else state
        )

    @torch.no_grad()
    def _latent_state(self, obs: Observation) -> np.ndarray:
        tensors = observation_tensors(obs, self._predictor.device)
        state: Tensor = self._predictor.encoder(tensors)[0]
        return state.cpu().numpy()
