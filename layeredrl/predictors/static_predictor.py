"""A predictor that is given and stays as it is."""

from typing import Any

import torch
from tianshou.data import Batch, ReplayBuffer
from torch import Tensor

from layeredrl.predictors.predictor import Predictor


class StaticPredictor(Predictor):
    """A static predictor without any training functionality.

    For known dynamics and rewards, and for trained predictors that are to stay frozen.
    """

    def learn(
        self,
        buffer: ReplayBuffer,
        n_steps: int,
        batch_size: int,
        model_batch_size: int = 0,
        n_total_env_steps: int = 0,
    ) -> tuple[Tensor, dict[str, Any]]:
        """Change nothing.

        Args:
            buffer: Not looked at.
            n_steps: Not looked at.
            batch_size: Not looked at.
            model_batch_size: Not looked at.
            n_total_env_steps: Not looked at.

        Returns:
            A loss of zero and an empty dict.
        """
        return torch.zeros((), device=self.device), {}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Any]]:
        """Return a loss of zero and an empty dict.

        Args:
            batch: Not looked at.
        """
        return torch.zeros((), device=self.device), {}
