"""Tianshou's algorithms as learners, driven without its collectors and trainers."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from gymnasium import spaces
from tianshou.algorithm.algorithm_base import Algorithm, TrainingStats
from tianshou.algorithm.modelfree.sac import AutoAlpha
from tianshou.data import Batch
from tianshou.utils.torch_utils import policy_within_training_step
from torch import Tensor

from layeredrl.learners.action_scaling import ActionScaling
from layeredrl.learners.learner import Learner, LearnerSpec, Situation
from layeredrl.utils.global_generators import BorrowedGenerators
from layeredrl.utils.mapped_observations import vector_part
from layeredrl.utils.seeding import seeded_initialization, spawn
from layeredrl.utils.spaces import action_dim

# Counters of Tianshou's algorithms that change what they do and are not in their state.
_COUNTERS = ("_cnt", "_last", "_iter", "critic_gradient_step", "_last_actor_loss")


class TianshouLearner(Learner):
    """What on-policy and off-policy algorithms have in common.

    Attributes:
        algorithm: Tianshou's algorithm; its policy acts in the unit box.
        n_decisions: Decisions taken while exploring.
    """

    def __init__(
        self,
        spec: LearnerSpec,
        build_algorithm: Callable[[LearnerSpec], Algorithm],
        gamma: float,
    ):
        """Build the algorithm.

        Args:
            spec: Where it learns.
            build_algorithm: Builds it from the spec.
            gamma: Discount per environment step.

        Raises:
            SpaceError: If it cannot see or act in these spaces.
        """
        super().__init__(spec)
        self.gamma = gamma
        initial, drawing = spawn(spec.seed, 2)
        with seeded_initialization(initial):
            self.algorithm = build_algorithm(spec).to(spec.device)
        self._is_discrete = isinstance(spec.action_space, spaces.Discrete)
        self._n_actions = action_dim(spec.action_space)
        if not self._is_discrete:
            self._scaling = ActionScaling(spec.action_space, spec.device)
        self.algorithm.eval()
        self._generators = BorrowedGenerators(drawing, spec.device)
        self.n_decisions = 0

    @torch.no_grad()
    def act(self, situation: Situation, explore: bool) -> Tensor:
        """Decide, at random from the policy while exploring, else its mode."""
        obs = vector_part(situation.obs)
        if not explore:
            return self._features(self._policy_action(obs, explore=False))
        with self._generators.lent():
            action = self._explored(self._policy_action(obs, explore=True))
        self.count_decisions(len(obs))
        return self._features(action)

    def count_decisions(self, n: int) -> None:
        """Count decisions; exploration falls by them."""
        self.n_decisions += n

    def state_dict(self) -> dict[str, Any]:
        """Copy weights, optimizers, counters and generators."""
        alpha = self._learned_alpha()
        state = {
            "algorithm": dict(self.algorithm.state_dict()),
            "alpha_optimizer": None if alpha is None else alpha._optim.state_dict(),
            "counters": {
                name: getattr(self.algorithm, name)
                for name in _COUNTERS
                if hasattr(self.algorithm, name)
            },
            "generators": self._generators.state_dict(),
            "n_decisions": self.n_decisions,
        }
        return copy.deepcopy(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore everything."""
        state = copy.deepcopy(state)
        self.algorithm.load_state_dict(state["algorithm"])
        alpha = self._learned_alpha()
        if alpha is not None:
            alpha._optim.load_state_dict(state["alpha_optimizer"])
        for name, value in state["counters"].items():
            setattr(self.algorithm, name, value)
        self._generators.load_state_dict(state["generators"])
        self.n_decisions = state["n_decisions"]

    def acting_state(self) -> dict[str, Any]:
        """Copy the policy, and how many decisions it has taken."""
        return {
            "policy": copy.deepcopy(dict(self.algorithm.policy.state_dict())),
            "n_decisions": self.n_decisions,
        }

    def load_acting_state(self, state: dict[str, Any]) -> None:
        """Restore the policy."""
        self.algorithm.policy.load_state_dict(state["policy"])
        self.n_decisions = state["n_decisions"]

    def _learned_alpha(self) -> AutoAlpha | None:
        """Find the entropy weight whose optimizer Tianshou forgets to save."""
        alpha = getattr(self.algorithm, "alpha", None)
        return alpha if isinstance(alpha, AutoAlpha) else None

    def _policy_action(self, obs: Tensor, explore: bool) -> Tensor:
        """Ask the policy: actions in the unit box, or numbers of choices."""
        policy = self.algorithm.policy
        with policy_within_training_step(policy, explore):
            action = policy(Batch(obs=obs, info=Batch())).act
        return torch.as_tensor(action, device=self.spec.device)

    def _explored(self, action: Tensor) -> Tensor:
        """Change what the policy decided, where it does not explore by itself."""
        return action

    def _features(self, action: Tensor) -> Tensor:
        if self._is_discrete:
            return torch.nn.functional.one_hot(action.long(), self._n_actions).float()
        return self._scaling.from_unit(action)

    def _raw(self, features: Tensor) -> Tensor:
        """What the policy would have said for stored features."""
        if self._is_discrete:
            return features.argmax(-1)
        return self._scaling.to_unit(features)


def metrics_of(stats: TrainingStats, device: torch.device) -> dict[str, Tensor]:
    """Read what an update of Tianshou reports.

    Args:
        stats: Its report.
        device: Where the scalars go.

    Returns:
        Scalars by name.
    """
    numbers = stats.get_loss_stats_dict()
    numbers.pop("gradient_steps", None)
    return {name: torch.tensor(float(x), device=device) for name, x in numbers.items()}
