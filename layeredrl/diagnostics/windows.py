"""Stretches of recorded decisions, what open-loop predictions are held against."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from layeredrl.diagnostics.recording import Recording
from layeredrl.errors import ConfigurationError


class Windows(NamedTuple):
    """Decisions with those that followed in the same episode, W starts.

    Attributes:
        start: Row of the recording at which each one starts, (W,) int64.
        action: Features of what was decided from there on, (W, T, A); 0 where not valid.
        achieved: Latent states reached 1, 2, ... decisions after the start, (W, T, Z);
            NaN where not valid.
        is_valid: Whether the decision was taken in this episode, whole, and where it led
            is known, as for all before it, (W, T) bool; the first one always is.
    """

    start: np.ndarray
    action: np.ndarray
    achieved: np.ndarray
    is_valid: np.ndarray


def windows_of(
    recording: Recording,
    horizon: int,
    max_windows: int | None = None,
    generator: np.random.Generator | None = None,
) -> Windows:
    """Cut a recording into overlapping windows, one from each decision.

    Args:
        recording: The decisions.
        horizon: Their length T [decisions], at least 1.
        max_windows: Take so many at most, drawn without replacement; ``None`` for all.
        generator: Draws them; needed only then.

    Returns:
        The windows; they get shorter towards the end of an episode.

    Raises:
        ConfigurationError: If the horizon is not positive, no decision can be used, or
            some are to be drawn without a generator.
    """
    if horizon < 1:
        raise ConfigurationError(f"horizon must be at least 1, got {horizon}")
    usable = np.isfinite(recording.reached).all(-1) & ~recording.is_cut
    start = np.flatnonzero(usable)
    if start.size == 0:
        raise ConfigurationError(
            f"none of {len(recording)} decisions was finished, nothing can be compared"
        )
    if max_windows is not None and start.size > max_windows:
        if generator is None:
            raise ConfigurationError("a generator is needed to draw windows")
        start = np.sort(generator.choice(start, max_windows, replace=False))
    index = start[:, None] + np.arange(horizon)
    within = index < len(recording)
    index = np.minimum(index, len(recording) - 1)
    same = recording.episode[index] == recording.episode[start][:, None]
    is_valid = np.logical_and.accumulate(within & same & usable[index], axis=1)
    action, achieved = recording.action[index], recording.reached[index]
    action[~is_valid], achieved[~is_valid] = 0.0, np.nan
    return Windows(start, action, achieved, is_valid)


def window_tensors(
    recording: Recording,
    windows: Windows,
    device: torch.device,
    rows: slice = slice(None),
) -> tuple[Tensor, Tensor, Tensor]:
    """Gather what a predictor is asked with, from the start of each window.

    Args:
        recording: What the windows are of.
        windows: W stretches of T decisions.
        device: Where the tensors go.
        rows: Which windows; all by default.

    Returns:
        Latent states (W, Z), contexts (W, C) and action features (W, T, A).
    """
    start = windows.start[rows]
    state, context, action = (
        torch.from_numpy(x).to(device)
        for x in (
            recording.state[start],
            recording.context[start],
            windows.action[rows],
        )
    )
    return state, context, action


def typical_change(recording: Recording) -> np.ndarray:
    """Measure how much one decision changes each feature, as a unit for errors.

    Args:
        recording: The decisions.

    Returns:
        Root mean square over whole decisions, (Z,); NaN for features that never change.
    """
    usable = np.isfinite(recording.reached).all(-1) & ~recording.is_cut
    change = (recording.reached - recording.state)[usable]
    if not len(change):
        return np.full(recording.state.shape[1], np.nan)
    size = np.sqrt(np.square(change, dtype=np.float64).mean(0))
    return np.where(size > 0.0, size, np.nan)
