"""Colours, and what all figures have in common."""

import matplotlib

matplotlib.use("Agg")

from matplotlib.axes import Axes  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

ACTUAL, PREDICTED, GOAL = "#1f4e79", "#d1662a", "#2f8f4e"
QUIET = "#7d8790"


def count_in_whole_numbers(axes: Axes) -> None:
    """Mark no fractions on the x axis.

    Args:
        axes: The panel; changed in place.
    """
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def tidy(axes: Axes) -> None:
    """Drop the lines at the top and on the right.

    Args:
        axes: The panel; changed in place.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
