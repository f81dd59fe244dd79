"""From flattened observations back to the parts they were made of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from layeredrl.errors import SpaceError
from layeredrl.nets.encoder import TensorObservation
from layeredrl.utils.mapped_observations import vector_part
from layeredrl.utils.spaces import ObservationLayout

ONLY_KEY = "observation"
"""Name of an observation that is no dict."""


class ObservationParts:
    """Splits mapped observations into named parts, as time-step encoders want them.

    Attributes:
        space: Dict space of the parts; nested keys are dotted paths.
        layout: Which columns belong to which part.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        mapped_env_obs_shape: tuple[int, ...] | dict[str, tuple[int, ...]],
    ):
        """Read the parts off a space.

        Args:
            observation_space: Space of a single instance's observations, not flattened.
            mapped_env_obs_shape: Shape of what comes.

        Raises:
            SpaceError: If what comes is not the flattened observation of that space.
        """
        self.layout = ObservationLayout.of(observation_space)
        if self.layout.shape != mapped_env_obs_shape:
            raise SpaceError(
                f"observations of {observation_space} have the shape "
                f"{self.layout.shape} when flattened, but observations of shape "
                f"{mapped_env_obs_shape} are to be encoded; a level with an observation "
                "map needs the space that the map leaves"
            )
        parts: dict[str, spaces.Space] = {
            name
            or ONLY_KEY: spaces.Box(
                -np.inf, np.inf, (where.stop - where.start,), np.float32
            )
            for name, where in self.layout.columns.items()
        }
        for name, shape in self.layout.images.items():
            parts[name or ONLY_KEY] = spaces.Box(0, 255, shape, np.uint8)
        self.space = spaces.Dict(parts)

    def split(self, obs: TensorObservation) -> dict[str, Tensor]:
        """Split observations; nothing is copied.

        Args:
            obs: Mapped observations (..., O), or a dict of a vector part and images.

        Returns:
            Each part by name, (..., *shape of the part).
        """
        images: dict[str, Any] = {}
        vector = vector_part(obs)
        if isinstance(obs, dict):
            images = {name or ONLY_KEY: obs[name] for name in self.layout.images}
        columns = {
            name or ONLY_KEY: vector[..., where]
            for name, where in self.layout.columns.items()
        }
        return columns | images

    def columns_of(self, keys: Sequence[str]) -> Tensor:
        """Find the columns of some parts in the vector.

        Args:
            keys: Dotted paths of parts or of dicts above them.

        Returns:
            Column numbers, (n,) int64.

        Raises:
            SpaceError: If there is no such part with vectors.
        """
        found = [column for key in keys for column in self.layout.columns_of(key)]
        return torch.tensor(found, dtype=torch.int64)
