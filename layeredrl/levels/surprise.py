"""What a level above expected, and whether it was surprised."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from layeredrl.predictors import Predictor
from layeredrl.utils.checkpoints import to_array
from layeredrl.utils.distributions import prediction_moments


class Surprise:
    """Compares the latent states that were reached with those that were predicted.

    The distance is the root mean square over features of the deviation from the predicted
    mean, in predicted standard deviations, of members and modes together. Where the model is
    calibrated it is about 1.
    """

    def __init__(self, predictor: Predictor, n_instances: int, threshold: float):
        """Start with nothing expected.

        Args:
            predictor: Says what to expect.
            n_instances: Environment instances.
            threshold: Distance beyond which an outcome surprises.
        """
        self._predictor = predictor
        self._threshold = threshold
        shape = (n_instances, predictor.latent_state_dim)
        self._mean = torch.zeros(shape, device=predictor.device)
        self._std = torch.ones(shape, device=predictor.device)
        self._expects = np.zeros(n_instances, dtype=bool)

    def surprised(self, state: Tensor, instances: np.ndarray) -> np.ndarray:
        """Tell whom the present state surprises.

        Args:
            state: Latent states that were reached, (B, Z).
            instances: Whose, (B,) int64.

        Returns:
            Whether each deviates by more than the threshold, (B,) bool; never where nothing
            was expected.
        """
        if not self._expects[instances].any():
            return np.zeros(len(instances), dtype=bool)
        rows = torch.from_numpy(instances).to(state.device)
        deviation = (state - self._mean[rows]) / self._std[rows]
        is_far = deviation.square().mean(-1).sqrt() > self._threshold
        return is_far.cpu().numpy() & self._expects[instances]

    def expect(
        self, state: Tensor, context: Tensor, action: Tensor, instances: np.ndarray
    ) -> None:
        """Predict what decisions will lead to.

        Args:
            state: Latent states (B, Z).
            context: Contexts (B, C).
            action: Action features (B, A).
            instances: Whose, (B,) int64.
        """
        prediction = self._predictor.model.predict(state, context, action)
        rows = torch.from_numpy(instances).to(state.device)
        self._mean[rows], self._std[rows] = prediction_moments(prediction)
        self._expects[instances] = True

    def reset(self, instances: np.ndarray) -> None:
        """Expect nothing any more.

        Args:
            instances: Of whom, (B,) int64.
        """
        self._expects[instances] = False

    def state_dict(self) -> dict[str, Any]:
        """Copy what is expected.

        Returns:
            Tensors and arrays.
        """
        return {
            "mean": self._mean.clone(),
            "std": self._std.clone(),
            "expects": self._expects.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        self._mean = state["mean"].to(self._mean.device, copy=True)
        self._std = state["std"].to(self._std.device, copy=True)
        self._expects = to_array(state["expects"])
