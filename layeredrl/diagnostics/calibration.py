"""Whether a model knows how sure it can be, the further it looks ahead."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from layeredrl.diagnostics.pit import coverage, mixture_pit, sample_pit
from layeredrl.diagnostics.recording import Recording
from layeredrl.diagnostics.windows import Windows, window_tensors, windows_of
from layeredrl.errors import ConfigurationError
from layeredrl.models import Model
from layeredrl.predictors import Predictor
from layeredrl.utils.seeding import numpy_generator, spawn, torch_generator

_ROWS_PER_BLOCK = 8192
_FINE_LEVELS = np.linspace(0.05, 0.95, 19)


@dataclass(frozen=True)
class CalibrationConfig:
    """How calibration is measured."""

    horizon: int | None = None
    """Decisions that are looked ahead, T; ``None`` for those of a plan."""
    levels: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95)
    """Nominal probabilities of central intervals, L of them, in (0, 1)."""
    n_samples: int = 100
    """Imagined trajectories per window, over all members, at least 1."""
    max_windows: int = 2000
    """Windows that are looked at, at most."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if self.n_samples < 1 or self.max_windows < 1:
            raise ConfigurationError(
                "n_samples and max_windows must be at least 1, got "
                f"{self.n_samples} and {self.max_windows}"
            )
        if not self.levels or not all(0.0 < level < 1.0 for level in self.levels):
            raise ConfigurationError(
                f"levels must lie strictly between 0 and 1, got {self.levels}"
            )


class Calibration(NamedTuple):
    """How predicted distributions and outcomes fit together.

    Step h is h decisions ahead; arrays have it at h - 1. NaN where nothing is known.

    Attributes:
        windows: What happened, W starts.
        pit: Probability integral transforms of the outcomes, per feature, (W, T, Z).
        levels: Nominal probabilities of central intervals, (L,).
        coverage: How often outcomes lie in these intervals, mean over features, (L, T);
            equal to ``levels`` if the model is calibrated (Kuleshov et al. 2018, eq. 3,
            for central intervals).
        error: Mean over levels from 5 to 95 % of the difference of coverage and level,
            absolute, (T,); 0 at best, at most 0.5.
        std: Standard deviation of the predicted distributions, (W, T, Z): their sharpness,
            which is worth something only if the model is calibrated.
        distance: Error of their means, (W, T, Z), absolute.
    """

    windows: Windows
    pit: np.ndarray
    levels: np.ndarray
    coverage: np.ndarray
    error: np.ndarray
    std: np.ndarray
    distance: np.ndarray


def calibrate(
    recording: Recording,
    predictor: Predictor,
    seed: int | np.random.SeedSequence,
    config: CalibrationConfig = CalibrationConfig(),
) -> Calibration:
    """Hold the predicted distributions of what was then done against what happened.

    One decision ahead the distributions are known in closed form, further ones are those
    of imagined trajectories: a member is followed throughout, its noise is drawn.

    Args:
        recording: What happened.
        predictor: Holds the model; nothing is drawn from its generator.
        seed: Seeds what is drawn.
        config: Horizon, levels, numbers of samples.

    Returns:
        What came out.

    Raises:
        ConfigurationError: If no decision was finished, or the horizon is not positive.
    """
    choosing, imagining, ranking = spawn(seed, 3)
    windows = windows_of(
        recording,
        recording.horizon if config.horizon is None else config.horizon,
        config.max_windows,
        numpy_generator(choosing),
    )
    generator = torch_generator(imagining, predictor.device)
    pit, mean, std = _compare(
        recording,
        predictor,
        windows,
        config.n_samples,
        (generator, numpy_generator(ranking)),
    )
    levels = np.array(config.levels)
    fine = _coverage(pit, _FINE_LEVELS) - _FINE_LEVELS[:, None]
    return Calibration(
        windows,
        pit,
        levels,
        _coverage(pit, levels),
        np.abs(fine).mean(0),
        std,
        np.abs(mean - windows.achieved),
    )


@torch.no_grad()
def _compare(
    recording: Recording,
    predictor: Predictor,
    windows: Windows,
    n_samples: int,
    generators: tuple[torch.Generator, np.random.Generator],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Transform the outcomes; mean and spread of what was predicted, each (W, T, Z)."""
    imagining, ranking = generators
    model = predictor.model
    n_rows = max(1, _ROWS_PER_BLOCK // n_samples)
    found = []
    for first in range(0, len(windows.start), n_rows):
        block = slice(first, first + n_rows)
        state, context, action = window_tensors(
            recording, windows, predictor.device, block
        )
        samples = imagine(model, state, context, action, n_samples, imagining)
        achieved = windows.achieved[block]
        pit = sample_pit(samples, achieved, ranking)
        mean, std = samples.mean(1), samples.std(1)
        # One step ahead there is no need to draw.
        prediction = model.predict(state, context, action[:, 0])
        pit[:, 0] = mixture_pit(prediction, achieved[:, 0])
        pit, mean, std = (
            np.where(windows.is_valid[block][..., None], x, np.nan)
            for x in (pit, mean, std)
        )
        found.append((pit, mean, std))
    pit, mean, std = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return pit, mean, std


def imagine(
    model: Model,
    state: Tensor,
    context: Tensor,
    action: Tensor,
    n_samples: int,
    generator: torch.Generator | None,
) -> np.ndarray:
    """Draw trajectories, as many from each member.

    Args:
        model: Imagines.
        state: Latent states at the start (B, Z).
        context: Contexts (B, C).
        action: Action features (B, T, A).
        n_samples: At least so many S per row.
        generator: Source of randomness, on the model's device; ``None`` for torch's global
            one.

    Returns:
        Latent states after each action, (B, S, T, Z); S is rounded up to full rollouts.
    """
    repeats = -(-n_samples // (model.n_models * model.n_particles))
    rollout = model.rollout(
        state.repeat_interleave(repeats, 0),
        context.repeat_interleave(repeats, 0),
        action.repeat_interleave(repeats, 0),
        generator=generator,
    )
    states = rollout.state[:, :, :, 1:].cpu().numpy()  # (B * repeats, M, P, T, Z)
    return states.reshape(len(state), -1, *states.shape[3:])


def _coverage(pit: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Pool features, (L, T)."""
    return coverage(np.moveaxis(pit, 2, 1).reshape(-1, pit.shape[1]), levels)
