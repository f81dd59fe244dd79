"""What a level above expected, whether it was surprised, and what it then does."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layeredrl.errors import ConfigurationError
from layeredrl.predictors import Predictor
from layeredrl.utils.checkpoints import to_array
from layeredrl.utils.distributions import prediction_moments


@dataclass(frozen=True)
class Surprise:
    """What a planning level does when an outcome is not what it predicted.

    It gives its plan up, and the next search starts from nothing. Where the model is wrong in
    one place, such as beside the corner of a wall, the next plan is as wrong; a few random
    decisions lead away from there.
    """

    threshold: float
    """Deviation beyond which an outcome surprises: root mean square over the latent state's
    features, in predicted standard deviations; about 1 on average where the model is
    calibrated."""
    random_duration: int = 0
    """Random decisions that follow, in evaluation, too; the end of an episode ends them."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if not (self.threshold > 0 and self.random_duration >= 0):
            raise ConfigurationError(
                "threshold must be positive and random_duration not negative, got "
                f"{self.threshold} and {self.random_duration}"
            )


class RunningSurprise:
    """Compares the latent states that were reached with those that were predicted.

    Members and modes count as one mixture, by its mean and standard deviation.
    """

    def __init__(self, config: Surprise, predictor: Predictor, n_instances: int):
        """Start with nothing expected.

        Args:
            config: What surprises.
            predictor: Says what to expect.
            n_instances: Environment instances.
        """
        self._config = config
        self._predictor = predictor
        shape = (n_instances, predictor.latent_state_dim)
        self._mean = torch.zeros(shape, device=predictor.device)
        self._std = torch.ones(shape, device=predictor.device)
        self._expects = np.zeros(n_instances, dtype=bool)
        self._n_random = np.zeros(n_instances, dtype=np.int64)

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
        is_far = deviation.square().mean(-1).sqrt() > self._config.threshold
        return is_far.cpu().numpy() & self._expects[instances]

    def turns_random(
        self, is_surprised: np.ndarray, instances: np.ndarray
    ) -> np.ndarray:
        """Tell who decides at random because of it.

        Args:
            is_surprised: Whom the present state surprises, (B,) bool.
            instances: Whose rows these are, (B,) int64.

        Returns:
            Whether each decides at random now, (B,) bool; asking counts as deciding.
        """
        starts = is_surprised & (self._n_random[instances] == 0)
        self._n_random[instances[starts]] = self._config.random_duration
        is_random = self._n_random[instances] > 0
        self._n_random[instances[is_random]] -= 1
        return is_random

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
        """Expect nothing any more, and end what is random.

        Args:
            instances: Of whom, (B,) int64.
        """
        self._expects[instances] = False
        self._n_random[instances] = 0

    def state_dict(self) -> dict[str, Any]:
        """Copy what is expected.

        Returns:
            Tensors and arrays.
        """
        return {
            "mean": self._mean.clone(),
            "std": self._std.clone(),
            "expects": self._expects.copy(),
            "n_random": self._n_random.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        self._mean = state["mean"].to(self._mean.device, copy=True)
        self._std = state["std"].to(self._std.device, copy=True)
        self._expects = to_array(state["expects"])
        self._n_random = to_array(state["n_random"])
