"""Skills drawn at random."""

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from layeredrl.utils.action_sampling import check_bounded
from layeredrl.utils.seeding import torch_generator
from layeredrl.utils.spaces import action_dim, inner_bounds


class SkillSampler:
    """Draws skills uniformly, with a generator of its own.

    Attributes:
        space: Space of the skills.
        dim: Features of a skill A.
        generator: Source of randomness.
    """

    def __init__(
        self, space: spaces.Space, seed: np.random.SeedSequence, device: torch.device
    ):
        """Read the bounds.

        Args:
            space: A bounded ``Box``, or ``Discrete``.
            seed: Seeds the generator.
            device: Where skills are drawn.

        Raises:
            SpaceError: If it is neither.
        """
        check_bounded(space)
        self.space = space
        self.dim = action_dim(space)
        self.generator = torch_generator(seed, device)
        self._one_hot = torch.eye(self.dim, device=device)
        if isinstance(space, spaces.Box):
            low, high = (torch.from_numpy(x).to(device) for x in inner_bounds(space))
            self._low, self._range = low, high - low

    def draw(self, *shape: int) -> Tensor:
        """Draw skills.

        Args:
            *shape: How many.

        Returns:
            Features (*shape, A); one-hot for ``Discrete``.
        """
        device = self.generator.device
        if isinstance(self.space, spaces.Discrete):
            index = torch.randint(
                self.dim, shape, generator=self.generator, device=device
            )
            return self._one_hot[index]
        drawn = torch.rand(*shape, self.dim, generator=self.generator, device=device)
        return torch.addcmul(self._low, drawn, self._range)

    def alternatives(self, skill: Tensor, n: int) -> Tensor:
        """Find skills to hold a skill against.

        Args:
            skill: Features (R, A).
            n: How many to draw.

        Returns:
            Uniform draws (R, n, A); all the other skills (R, A - 1, A) for ``Discrete``.
        """
        if not isinstance(self.space, spaces.Discrete):
            return self.draw(len(skill), n)
        steps = torch.arange(1, self.dim, device=skill.device)
        return self._one_hot[(skill.argmax(-1, keepdim=True) + steps) % self.dim]
