"""What a planner level tells of its plans and decisions while it trains."""

from collections import deque
from typing import Any

import numpy as np
import torch

from layeredrl.levels.level import LevelLog
from layeredrl.models import Model
from layeredrl.types import Plan
from layeredrl.utils.checkpoints import to_array

_MOST_DECISIONS = 64
_MOST_FEATURES = 8


class PlannerLog:
    """Holds what plans promised against what came of them, and gathers decisions.

    One plan per instance is followed up at a time, for as many decisions as it looks ahead.
    Later decisions may come from newer plans; what an episode's end or a random decision
    cuts short is left out.
    """

    def __init__(self, n_instances: int):
        """Start with nothing to follow up.

        Args:
            n_instances: Environment instances.
        """
        self._left = np.zeros(n_instances, np.int64)
        self._promised = np.zeros(n_instances)
        self._received = np.zeros(n_instances)
        # Sums over plans that were followed up, and over all plans, with their numbers.
        self._ended = np.zeros(3)
        self._planned = np.zeros(2)
        self._decisions: deque[tuple[torch.Tensor, torch.Tensor, np.ndarray]] = deque(
            maxlen=_MOST_DECISIONS
        )

    def note_plan(self, plan: Plan, instances: np.ndarray) -> None:
        """Note what a plan promises.

        Args:
            plan: Plans of B instances.
            instances: Whose, (B,) int64.
        """
        info = plan.info
        numbers = [info.predicted_rewards.sum(1), info.disagreement[:, 1:].mean(1)]
        promised, disagreement = torch.stack(numbers).double().cpu().numpy()
        self._planned += (disagreement.sum(), len(instances))
        is_free = self._left[instances] == 0
        free = instances[is_free]
        self._left[free] = info.predicted_rewards.shape[1]
        self._promised[free], self._received[free] = promised[is_free], 0.0

    def note_decision(
        self, state: torch.Tensor, context: torch.Tensor, action: np.ndarray
    ) -> None:
        """Note what was decided, at random or not.

        Args:
            state: Latent states (B, Z).
            context: Contexts (B, C).
            action: Action features (B, A).
        """
        self._decisions.append((state, context, action))

    def note_reward(self, reward: np.ndarray, instances: np.ndarray) -> None:
        """Note what decisions were paid.

        Args:
            reward: As the predictor learns it, (B,).
            instances: Whose, (B,) int64.
        """
        running = instances[self._left[instances] > 0]
        self._received[instances] += reward
        self._left[running] -= 1
        ended = running[self._left[running] == 0]
        sums = self._promised[ended].sum(), self._received[ended].sum(), len(ended)
        self._ended += sums

    def drop(self, instances: np.ndarray) -> None:
        """Follow up no longer what was promised.

        Args:
            instances: To whom, (B,) int64.
        """
        self._left[instances] = 0

    @torch.no_grad()
    def take(self, model: Model, is_discrete: bool) -> LevelLog:
        """Tell what was noted since the last call, and forget it.

        Args:
            model: Predicts what was decided, for the weights of its modes.
            is_discrete: Whether decisions are choices.

        Returns:
            Numbers ``plan/predicted_return`` and ``plan/achieved_return`` (means over the
            same plans) and ``plan/disagreement`` (variance between members of the latent
            states that plans lead to, mean over steps); samples of decisions, and of mixture
            weights where there are several modes.
        """
        numbers: dict[str, float] = {}
        promised, received, n_ended = self._ended
        if n_ended:
            numbers["plan/predicted_return"] = float(promised / n_ended)
            numbers["plan/achieved_return"] = float(received / n_ended)
        disagreement, n_planned = self._planned
        if n_planned:
            numbers["plan/disagreement"] = float(disagreement / n_planned)
        samples = {}
        if self._decisions:
            action = np.concatenate([action for *_, action in self._decisions])
            samples = _samples(action, is_discrete)
            state, context, action = self._decisions[-1]
            decided = torch.from_numpy(action).to(state.device)
            weights = model.predict(state, context, decided).weights
            if weights.shape[2] > 1:
                samples["model/mixture_weights"] = weights.cpu().numpy().ravel()
        self._ended, self._planned = np.zeros(3), np.zeros(2)
        self._decisions.clear()
        return LevelLog(numbers, samples)

    def state_dict(self) -> dict[str, Any]:
        """Copy what numbers depend on.

        Returns:
            Arrays.
        """
        return {
            "left": self._left.copy(),
            "promised": self._promised.copy(),
            "received": self._received.copy(),
            "ended": self._ended.copy(),
            "planned": self._planned.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        self._left = to_array(state["left"])
        self._promised = to_array(state["promised"])
        self._received = to_array(state["received"])
        self._ended = to_array(state["ended"])
        self._planned = to_array(state["planned"])


def _samples(action: np.ndarray, is_discrete: bool) -> dict[str, np.ndarray]:
    """Sort decisions (D, A) by feature, or tell which choices were taken."""
    if is_discrete:
        return {"decision/choice": action.argmax(-1)}
    features = action.T[:_MOST_FEATURES]
    return {f"decision/feature_{i}": feature for i, feature in enumerate(features)}
