"""Rewards predicted against received, the further a model looks ahead."""

from typing import NamedTuple

import numpy as np
import torch

from layeredrl.diagnostics.recording import Recording
from layeredrl.diagnostics.windows import Windows, window_tensors, windows_of
from layeredrl.errors import ConfigurationError
from layeredrl.predictors import Predictor


class RewardErrors(NamedTuple):
    """Rewards imagined along what was then done, held against those received.

    Step h is h decisions ahead; arrays have it at h - 1. NaN where the episode was over.

    Attributes:
        windows: What happened, W starts.
        predicted: Rewards along open-loop predictions, mean over members, (W, T).
        received: What was paid, as the level learns it, (W, T).
        error: Root mean square of the difference, (T,).
        explained: Share of the variance of received rewards that predictions explain,
            (T,): 1 at best, 0 for a constant guess of their mean; NaN where rewards are
            all the same.
    """

    windows: Windows
    predicted: np.ndarray
    received: np.ndarray
    error: np.ndarray
    explained: np.ndarray


@torch.no_grad()
def reward_errors(
    recording: Recording, predictor: Predictor, horizon: int | None = None
) -> RewardErrors:
    """Imagine the rewards of the decisions that were taken, from every state.

    Args:
        recording: What happened.
        predictor: Holds model and reward.
        horizon: Decisions that are looked ahead, T; ``None`` for those of a plan.

    Returns:
        The errors.

    Raises:
        ConfigurationError: If the predictor has no reward, none were recorded, no decision
            was finished, or the horizon is not positive.
    """
    if predictor.rew_func is None:
        raise ConfigurationError(
            "the predictor predicts no rewards: it has no rew_func"
        )
    if recording.reward is None:
        raise ConfigurationError("no rewards were recorded to compare with")
    windows = windows_of(recording, recording.horizon if horizon is None else horizon)
    state, context, action = window_tensors(recording, windows, predictor.device)
    rollout = predictor.rollout_latent(state, context, action, deterministic=True)
    predicted = rollout.rew.mean((1, 2)).double().cpu().numpy()
    rows = windows.start[:, None] + np.arange(predicted.shape[1])
    received = recording.reward[np.minimum(rows, len(recording) - 1)].astype(float)
    predicted[~windows.is_valid] = received[~windows.is_valid] = np.nan
    known = np.logical_or.reduce(windows.is_valid, axis=0)
    error, variance = np.full((2, len(known)), np.nan)
    error[known] = np.nanmean(np.square(predicted - received)[:, known], 0)
    variance[known] = np.nanvar(received[:, known], 0)
    explained = np.full(len(known), np.nan)
    np.divide(error, variance, out=explained, where=variance > 0.0)
    return RewardErrors(windows, predicted, received, np.sqrt(error), 1.0 - explained)
