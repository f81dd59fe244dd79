"""Episodes counted as episodes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from layeredrl.collectors.env_stepper import Step
from layeredrl.utils.checkpoints import to_array


class Episode(NamedTuple):
    """One finished episode.

    Attributes:
        instance: In which environment instance it took place.
        length: Environment steps.
        ret: Sum of rewards.
        success_any: Whether the goal was reached at any step; ``None`` if the environment
            said nothing of success in this episode.
        success_last: Whether it was reached at the last step; ``None`` likewise.
    """

    instance: int
    length: int
    ret: float
    success_any: bool | None
    success_last: bool | None


class EpisodeTracker:
    """Adds up the running episodes of all instances."""

    def __init__(self, n_instances: int):
        """Start with new episodes.

        Args:
            n_instances: Environment instances.
        """
        self._return = np.zeros(n_instances)
        self._length = np.zeros(n_instances, dtype=np.int64)
        self._success = np.zeros(n_instances, dtype=bool)
        self._is_known = np.zeros(n_instances, dtype=bool)

    def add(self, step: Step) -> list[Episode]:
        """Take a step into account.

        Args:
            step: The step.

        Returns:
            Episodes that it finished.
        """
        self._return += np.where(step.taken, step.reward, 0.0)
        self._length += step.taken
        if step.success is not None:
            self._success |= step.success & step.taken
            self._is_known |= step.taken
        finished = np.flatnonzero((step.terminated | step.truncated) & step.taken)
        episodes = [self._episode(int(i), step) for i in finished]
        self.drop(finished)
        return episodes

    def drop(self, instances: np.ndarray) -> None:
        """Begin new episodes without finishing the running ones.

        Args:
            instances: Where, int64 indices or a boolean mask.
        """
        self._return[instances] = 0.0
        self._length[instances] = 0
        self._success[instances] = False
        self._is_known[instances] = False

    def _episode(self, i: int, step: Step) -> Episode:
        known = bool(self._is_known[i])
        last = step.success is not None and bool(step.success[i])
        return Episode(
            instance=i,
            length=int(self._length[i]),
            ret=float(self._return[i]),
            success_any=bool(self._success[i]) if known else None,
            success_last=last if known else None,
        )

    def state_dict(self) -> dict[str, Any]:
        """Copy the running sums.

        Returns:
            Arrays.
        """
        return {
            "return": self._return.copy(),
            "length": self._length.copy(),
            "success": self._success.copy(),
            "is_known": self._is_known.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        self._return = to_array(state["return"])
        self._length = to_array(state["length"])
        self._success = to_array(state["success"])
        self._is_known = to_array(state["is_known"])


def summarize(episodes: list[Episode]) -> dict[str, float]:
    """Average over episodes.

    Args:
        episodes: Finished episodes; none gives an empty summary.

    Returns:
        ``episodes``, ``return_mean``, ``length_mean``, and ``success_any`` and
        ``success_last`` as rates if the environment speaks of success at all; an episode
        of which it says nothing had none then.
    """
    if not episodes:
        return {}
    summary = {
        "episodes": float(len(episodes)),
        "return_mean": float(np.mean([e.ret for e in episodes])),
        "length_mean": float(np.mean([e.length for e in episodes])),
    }
    if any(e.success_any is not None for e in episodes):
        summary["success_any"] = float(np.mean([bool(e.success_any) for e in episodes]))
        summary["success_last"] = float(
            np.mean([bool(e.success_last) for e in episodes])
        )
    return summary


def headline(summary: Mapping[str, float]) -> dict[str, str]:
    """Pick what a progress bar shows.

    Args:
        summary: Numbers by name, ``train/...`` and ``test/...``.

    Returns:
        Short texts by short names.
    """
    shown = {
        "return": summary.get("train/return_mean"),
        "success": summary.get("train/success_last"),
        "test success": summary.get("test/success_last"),
        "test return": summary.get("test/return_mean"),
    }
    return {name: f"{x:.2f}" for name, x in shown.items() if x is not None}
