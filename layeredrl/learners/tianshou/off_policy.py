"""What all off-policy algorithms of Tianshou have in common when they are described."""

from dataclasses import dataclass

from layeredrl.errors import ConfigurationError
from layeredrl.learners.learner import Learner, LearnerSpec
from layeredrl.learners.tianshou.config import TianshouConfig
from layeredrl.learners.tianshou.off_policy_learner import OffPolicyLearner
from layeredrl.utils.schedules import Schedule


@dataclass(frozen=True)
class OffPolicyConfig(TianshouConfig):
    """Returns, and exploration where the policy does not explore by itself."""

    n_steps: int = 1
    """Rewards per return, at least 1."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        if self.n_steps < 1:
            raise ConfigurationError(f"n_steps must be at least 1, got {self.n_steps}")

    def build(self, spec: LearnerSpec) -> Learner:
        """Build the learner."""
        return OffPolicyLearner(
            spec, self.algorithm, self.gamma, self.n_steps, self._noise()
        )

    def _noise(self) -> Schedule | None:
        """Say how much is explored, as :class:`OffPolicyLearner` takes it."""
        return None
