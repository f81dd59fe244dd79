"""What was done for skills, as the predictor of the level above sees it."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class SkillOutcomes(NamedTuple):
    """Stretches of decisions, each for one skill.

    Attributes:
        skill: What was asked for, features (B, A).
        start: Latent states when it was asked for, (B, Z).
        context: Contexts (B, C).
        state: Latent states at each decision and after the last one, (B, T+1, Z);
            meaningless beyond the end.
        is_over: Whether the skill was over after a decision, (B, T) bool. An array, so
            that what is paid is known without a look at the device.
        is_valid: Whether the decision was taken, (B, T) bool.
    """

    skill: Tensor
    start: Tensor
    context: Tensor
    state: Tensor
    is_over: np.ndarray
    is_valid: np.ndarray

    def rows(self, rows: np.ndarray) -> "SkillOutcomes":
        """Take some stretches.

        Args:
            rows: Which ones, (R,) int64.

        Returns:
            Those stretches.
        """
        index = torch.from_numpy(rows).to(self.skill.device)
        return SkillOutcomes(
            self.skill[index],
            self.start[index],
            self.context[index],
            self.state[index],
            self.is_over[rows],
            self.is_valid[rows],
        )
