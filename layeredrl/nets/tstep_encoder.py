"""The base of the time-step encoders.

Legend of these pages: B batch, L length (time).  "rl2s" are the features of the previous
reward and action, reward first.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from gymnasium import spaces
from torch import Tensor, nn

from layeredrl.errors import ObservationError, ShapeError, SpaceError


class TstepEncoder(nn.Module, ABC):
    """Base of the time-step encoders.

    Each step is encoded on its own; memory is the business of a trajectory encoder.
    """

    def __init__(self, obs_space: spaces.Space, rl2_space: spaces.Space) -> None:
        """Remember the spaces.

        Args:
            obs_space: Dict space of the observations.
            rl2_space: Box space of the previous reward and action features.

        Raises:
            SpaceError: ``rl2_space`` has no features.
        """
        super().__init__()
        if not rl2_space.shape:
            raise SpaceError(f"expected a rl2_space with features, got {rl2_space}")
        self.obs_space = obs_space
        self.rl2_space = rl2_space
        self.rl2_dim = rl2_space.shape[-1]

    @property
    @abstractmethod
    def emb_dim(self) -> int:
        """Number of features of an encoded step."""

    @abstractmethod
    def inner_forward(
        self, obs: Mapping[str, Tensor], rl2s: Tensor, log_dict: dict | None = None
    ) -> Tensor:
        """Encode every step of some sequences.

        Args:
            obs: By key, (B, L) + shape of the key's space.
            rl2s: Features of the previous reward and action, (B, L, rl2 features).
            log_dict: Receives 0-dim tensors worth logging, if given.

        Returns:
            Encoded steps, (B, L, emb_dim).
        """

    def forward(
        self, obs: Mapping[str, Tensor], rl2s: Tensor, log_dict: dict | None = None
    ) -> Tensor:
        """Encode every step of some sequences.

        Args:
            obs: By key, (B, L) + shape of the key's space.
            rl2s: Features of the previous reward and action, (B, L, rl2 features).
            log_dict: Receives 0-dim tensors worth logging, if given.

        Returns:
            Encoded steps, (B, L, emb_dim).
        """
        return self.inner_forward(obs, rl2s, log_dict=log_dict)

    def _checked(self, key: str, obs: Mapping[str, Tensor]) -> Tensor:
        """Take one part of an observation, (B, L) + shape of its space."""
        if key not in obs:
            raise ObservationError(f"no {key!r} in an observation with {sorted(obs)}")
        value, shape = obs[key], key_shape(self.obs_space, key)
        fits = tuple(value.shape[2:]) == shape
        if value.ndim < 2 or not (fits or (shape == () and value.shape[2:] == (1,))):
            raise ShapeError(
                f"expected observation {key!r} of shape (B, L) + {shape}, got "
                f"{tuple(value.shape)}"
            )
        return value

    def _checked_rl2s(self, rl2s: Tensor, lead: torch.Size) -> Tensor:
        """Take the reward and action features, (B, L, rl2 features), as floats."""
        expected = (*lead, self.rl2_dim)
        if tuple(rl2s.shape) != expected:
            raise ShapeError(f"expected rl2s {expected}, got {tuple(rl2s.shape)}")
        return rl2s.float()


TstepEncoderType = Callable[[spaces.Dict, spaces.Box], TstepEncoder]
"""Builds one from the spaces of the observation's parts and of reward and action features."""


def key_shape(obs_space: spaces.Space, key: str) -> tuple[int, ...]:
    """Give the shape of one part of a dict space.

    Args:
        obs_space: The dict space.
        key: Which part.

    Returns:
        Its shape; () is a scalar.

    Raises:
        SpaceError: There is no such part, or it has no shape, or the space is no dict.
    """
    if not isinstance(obs_space, spaces.Dict):
        raise SpaceError(f"expected a Dict observation space, got {obs_space}")
    if key not in obs_space.spaces:
        raise SpaceError(f"no key {key!r} in an observation space with {[*obs_space]}")
    shape = obs_space[key].shape
    if shape is None:
        raise SpaceError(f"observation {key!r} has no shape: {obs_space[key]}")
    return tuple(shape)
