"""Rewards predicted against received."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from experiments.figures.style import (
    ACTUAL,
    PREDICTED,
    QUIET,
    count_in_whole_numbers,
    tidy,
)
from layeredrl.diagnostics import RewardErrors

_MOST_POINTS = 2000


def reward_figure(rewards: RewardErrors) -> Figure:
    """Show rewards one decision ahead, and the error the further ahead.

    Args:
        rewards: What was measured.

    Returns:
        Two panels.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.1), layout="constrained")
    every = max(1, len(rewards.received) // _MOST_POINTS)
    received, predicted = rewards.received[::every, 0], rewards.predicted[::every, 0]
    both = np.concatenate([received, predicted])
    line = [both.min(), both.max()]
    left.plot(line, line, color=QUIET, lw=1, ls=":")
    left.plot(received, predicted, ".", color=PREDICTED, ms=3, alpha=0.5)
    left.set(xlabel="received", ylabel="predicted")
    left.set_title("Rewards one decision ahead", fontsize=10)
    tidy(left)
    known = np.isfinite(rewards.error)
    ahead = np.flatnonzero(known) + 1
    marker = "o" if len(ahead) <= 20 else ""
    right.plot(
        ahead, rewards.error[known], marker + "-", color=PREDICTED, ms=4, label="model"
    )
    spread = np.nanstd(rewards.received[:, known], 0)
    right.plot(ahead, spread, ":", color=ACTUAL, label="a guess of their mean")
    right.set(xlabel="decisions ahead", ylabel="root mean square error")
    right.set_title("Error the further ahead", fontsize=10)
    right.set_ylim(bottom=0.0)
    count_in_whole_numbers(right)
    right.legend(frameon=False, fontsize=8)
    tidy(right)
    figure.suptitle("Rewards predicted against received", fontsize=12)
    return figure
