"""What all of Tianshou's algorithms have in common when they are described."""

from abc import abstractmethod
from dataclasses import dataclass

from gymnasium import spaces
from tianshou.algorithm.algorithm_base import Algorithm
from tianshou.algorithm.optim import AdamOptimizerFactory

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.learners.learner import LearnerConfig, LearnerSpec
from layeredrl.utils.spaces import action_dim


@dataclass(frozen=True)
class TianshouConfig(LearnerConfig):
    """Sizes and rates that every algorithm has."""

    hidden_sizes: tuple[int, ...] = (256, 256)
    """Units per hidden layer of every network."""
    gamma: float = 0.99
    """Discount per environment step, in [0, 1]."""
    lr: float = 3e-4
    """Learning rate of Adam, for all networks."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if not 0.0 <= self.gamma <= 1.0 or self.lr <= 0.0:
            raise ConfigurationError(
                "gamma must be in [0, 1] and lr positive, got "
                f"{self.gamma} and {self.lr}"
            )

    @abstractmethod
    def algorithm(self, spec: LearnerSpec) -> Algorithm:
        """Build the algorithm with its policy, networks and optimizers.

        Args:
            spec: Where it will learn.

        Returns:
            The algorithm; its policy acts in the unit box.

        Raises:
            SpaceError: If it cannot see or act in these spaces.
        """

    def optimizer(self) -> AdamOptimizerFactory:
        """Describe the optimizer.

        Returns:
            What Tianshou builds it from.
        """
        return AdamOptimizerFactory(lr=self.lr)

    def continuous_dims(self, spec: LearnerSpec) -> tuple[int, int]:
        """Count what the policy sees and says, for continuous actions only.

        Args:
            spec: Where it will learn.

        Returns:
            Vector features, and action features.

        Raises:
            SpaceError: If there are images, or actions are no bounded ``Box``.
        """
        space = spec.action_space
        if not isinstance(space, spaces.Box) or not space.is_bounded():
            raise SpaceError(
                f"{type(self).__name__} needs bounded Box actions, got {space}"
            )
        return spec.vector_dim(), action_dim(space)

    def discrete_dims(self, spec: LearnerSpec) -> tuple[int, int]:
        """Count what the policy sees and says, for discrete actions only.

        Args:
            spec: Where it will learn.

        Returns:
            Vector features, and choices.

        Raises:
            SpaceError: If there are images, or actions are not ``Discrete``.
        """
        space = spec.action_space
        if not isinstance(space, spaces.Discrete):
            raise SpaceError(
                f"{type(self).__name__} needs Discrete actions, got {space}"
            )
        return spec.vector_dim(), action_dim(space)
