"""DADS: skills whose every step is predictable."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from layeredrl.objectives.skill_objective import SkillObjective
from layeredrl.objectives.skill_outcomes import SkillOutcomes
from layeredrl.objectives.skill_sampler import SkillSampler
from layeredrl.predictors import Predictor


@dataclass(frozen=True)
class DADS(SkillObjective):
    """Pays every decision for the change that it made.

    Sharma et al., "Dynamics-Aware Unsupervised Discovery of Skills", ICLR 2020. Nothing
    says where a skill as a whole should lead, so what pushes the agent aside stays.
    """

    @property
    def shows_start(self) -> bool:
        """A step is judged by itself."""
        return False

    @property
    def is_stepwise(self) -> bool:
        """The level above has to predict single steps."""
        return True

    @torch.no_grad()
    def score(
        self,
        predictor: Predictor,
        outcomes: SkillOutcomes,
        sampler: SkillSampler,
        n_env_steps: int,
    ) -> tuple[Tensor, np.ndarray]:
        """Score each decision's change of the latent state."""
        return self.score_changes(
            predictor,
            outcomes,
            outcomes.state[:, :-1],
            outcomes.is_valid,
            sampler,
            n_env_steps,
        )
