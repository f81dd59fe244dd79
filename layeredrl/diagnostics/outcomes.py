"""Planned against achieved: how far off predictions are, the further they look ahead."""

from typing import NamedTuple

import numpy as np
import torch

from layeredrl.diagnostics.recording import Recording
from layeredrl.diagnostics.windows import (
    Windows,
    typical_change,
    window_tensors,
    windows_of,
)
from layeredrl.predictors import Predictor


class OutcomeErrors(NamedTuple):
    """Open-loop predictions of what was then done, held against what happened.

    Step h is h decisions ahead; arrays have it at h - 1. NaN where the episode was over.

    Attributes:
        windows: What happened, W starts.
        predicted: Latent states that the model expected, mean over members, (W, T, Z).
        unit: Typical change of each feature by one decision (root mean square), in which
            relative errors are told, (Z,); NaN for features that never change.
        distance: Distance of prediction and outcome in latent units, (W, T).
        relative: Root mean square over features of the error in units of ``unit``, (W, T).
            Over all windows at h = 1, predicting no change at all has 1 (root mean square).
        still: Distance of the start and the outcome, the error of predicting no change,
            (W, T).
        revised: Distance of the outcome and what the plan made at the start promised,
            (W, T). Later decisions follow newer plans, so this is more than the model's
            error; NaN beyond the plan's end.
    """

    windows: Windows
    predicted: np.ndarray
    unit: np.ndarray
    distance: np.ndarray
    relative: np.ndarray
    still: np.ndarray
    revised: np.ndarray


def outcome_errors(
    recording: Recording, predictor: Predictor, horizon: int | None = None
) -> OutcomeErrors:
    """Replay the decisions that were taken through the model, from every state.

    Args:
        recording: What happened.
        predictor: Holds the model.
        horizon: Decisions that are looked ahead, T; ``None`` for those of a plan.

    Returns:
        The errors.

    Raises:
        ConfigurationError: If no decision was finished, or the horizon is not positive.
    """
    windows = windows_of(recording, recording.horizon if horizon is None else horizon)
    predicted = open_loop(recording, predictor, windows)
    unit = typical_change(recording)
    error = predicted - windows.achieved
    start = recording.state[windows.start][:, None]
    revised = _promised(recording, windows) - windows.achieved
    return OutcomeErrors(
        windows,
        predicted,
        unit,
        distance=np.linalg.norm(error, axis=-1),
        relative=_root_mean_square(error / unit),
        still=np.linalg.norm(windows.achieved - start, axis=-1),
        revised=np.linalg.norm(revised, axis=-1),
    )


@torch.no_grad()
def open_loop(
    recording: Recording, predictor: Predictor, windows: Windows
) -> np.ndarray:
    """Predict where the decisions of each window lead to.

    Args:
        recording: What the windows are of.
        predictor: Holds the model.
        windows: W stretches of T decisions.

    Returns:
        Latent states after each decision, mean over members, (W, T, Z); NaN where the
        window is not valid.
    """
    state, context, action = window_tensors(recording, windows, predictor.device)
    rollout = predictor.model.rollout(state, context, action, deterministic=True)
    predicted = rollout.state[:, :, :, 1:].mean((1, 2)).cpu().numpy()
    predicted[~windows.is_valid] = np.nan
    return predicted


def _promised(recording: Recording, windows: Windows) -> np.ndarray:
    """What the plans at the starts of windows expected, (W, T, Z)."""
    promised = np.full_like(windows.achieved, np.nan)
    n = min(promised.shape[1], recording.horizon)
    promised[:, :n] = recording.planned[windows.start, 1 : n + 1]
    promised[~windows.is_valid] = np.nan
    return promised


def _root_mean_square(x: np.ndarray) -> np.ndarray:
    """Over the last axis, without features that are NaN throughout."""
    used = np.isfinite(x).any(axis=tuple(range(x.ndim - 1)))
    if not used.any():
        return np.full(x.shape[:-1], np.nan)
    return np.sqrt(np.square(x[..., used]).mean(-1))
