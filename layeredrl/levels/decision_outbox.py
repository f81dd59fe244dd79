"""Finished decisions on their way to a level elsewhere, which learns from them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tianshou.data import Batch

from layeredrl.utils.stored_batches import join_batches


class ForwardedDecisions(NamedTuple):
    """What a level would have stored at one environment step.

    Attributes:
        rows: Finished decisions, as replay buffers take them, (R, ...); ``None`` if there
            are none.
        instances: Whose they are, (R,) int64.
        skipped: Where an episode was over afterwards, so that what comes next is another,
            (S,) int64.
    """

    rows: Batch | None
    instances: np.ndarray
    skipped: np.ndarray

    def shifted(self, first: int) -> "ForwardedDecisions":
        """Number the instances as a larger environment does.

        Args:
            first: Number that instance 0 has there.

        Returns:
            The same decisions.
        """
        instances, skipped = self.instances + first, self.skipped + first
        return ForwardedDecisions(self.rows, instances, skipped)

    @staticmethod
    def merged(parts: Sequence["ForwardedDecisions"]) -> "ForwardedDecisions":
        """Put together what happened at the same time in different instances.

        Args:
            parts: At least one; no instance is in two of them.

        Returns:
            All of it.
        """
        rows = [part.rows for part in parts if part.rows is not None]
        return ForwardedDecisions(
            join_batches(rows) if rows else None,
            np.concatenate([part.instances for part in parts]),
            np.concatenate([part.skipped for part in parts]),
        )


class DecisionOutbox:
    """Takes what a :class:`DecisionStore` takes, and hands it out step by step."""

    def __init__(self) -> None:
        """Start empty."""
        self._rows: Batch | None = None
        self._instances = self._nobody()
        self._skipped = self._nobody()

    def add(self, rows: Batch, instances: np.ndarray) -> None:
        """Note finished decisions, once per environment step at most.

        Args:
            rows: The decisions (R, ...).
            instances: Whose they are, (R,).
        """
        assert self._rows is None and not self._skipped.size
        self._rows, self._instances = rows, instances

    def skip(self, instances: np.ndarray) -> None:
        """Note that episodes are over.

        Args:
            instances: Whose, (B,).
        """
        self._skipped = np.concatenate([self._skipped, instances])

    def take(self) -> ForwardedDecisions:
        """Hand out what was noted since the last time, and forget it.

        Returns:
            The decisions of one environment step.
        """
        taken = ForwardedDecisions(self._rows, self._instances, self._skipped)
        self._rows = None
        self._instances = self._skipped = self._nobody()
        return taken

    @staticmethod
    def _nobody() -> np.ndarray:
        return np.zeros(0, dtype=np.int64)
