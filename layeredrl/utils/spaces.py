"""Gymnasium spaces: what counts as a vector, what stays apart, and how actions enter."""

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from torch import Tensor

from layeredrl.errors import ConfigurationError, ObservationError, SpaceError
from layeredrl.types import Observation
from layeredrl.utils.space_leaves import is_image, leaf_features, leaves, read_leaves

VECTOR_KEY = "vector"


def single_spaces(env: gym.Env | VectorEnv) -> tuple[gym.Space, gym.Space]:
    """Read the spaces of a single instance.

    Args:
        env: An environment or vector environment.

    Returns:
        Observation and action space.

    Raises:
        ConfigurationError: If it is neither.
    """
    if isinstance(env, VectorEnv):
        return env.single_observation_space, env.single_action_space
    if isinstance(env, gym.Env):
        return env.observation_space, env.action_space
    raise ConfigurationError(f"expected an environment, got {env!r}")


def action_dim(space: spaces.Space) -> int:
    """Count the features of an action.

    Args:
        space: A ``Box`` of any shape, or ``Discrete``.

    Returns:
        Number of components, or of choices.

    Raises:
        SpaceError: If the space is of another kind.
    """
    if isinstance(space, spaces.Box):
        return int(np.prod(space.shape))
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    raise SpaceError(f"actions must live in a Box or a Discrete space, got {space}")


def action_features(space: spaces.Space, action: Tensor) -> Tensor:
    """Turn actions into the float features that networks take.

    Args:
        space: A ``Box`` or ``Discrete`` space.
        action: Box actions (..., *shape) or features (..., A); or Discrete indices (...)
            of an integer type.

    Returns:
        Features (..., A) float32: flattened, or one-hot.

    Raises:
        SpaceError: If a discrete action is not among the choices.
    """
    if isinstance(space, spaces.Box):
        rank = len(space.shape)
        if rank > 1 and tuple(action.shape[-rank:]) == space.shape:
            action = action.flatten(-rank)
        return action.float()
    if action.is_floating_point():
        return action.float()
    index = action.long() - int(space.start)  # type: ignore[attr-defined]
    dim = action_dim(space)
    if index.numel() and not bool(((index >= 0) & (index < dim)).all()):
        raise SpaceError(f"discrete actions outside {space}: {action.unique()}")
    return torch.nn.functional.one_hot(index, dim).float()


def inner_bounds(space: spaces.Box) -> tuple[np.ndarray, np.ndarray]:
    """Read the bounds of a box in float32, rounded inwards.

    Rounding a float64 bound to the nearest float32 can leave the box.

    Args:
        space: A ``Box`` of any shape.

    Returns:
        Lowest and highest value of each feature, (A,) float32 each.
    """
    low, high = space.low.flatten(), space.high.flatten()
    low32, high32 = low.astype(np.float32), high.astype(np.float32)
    return (
        np.where(low32 < low, np.nextafter(low32, np.float32(np.inf)), low32),
        np.where(high32 > high, np.nextafter(high32, np.float32(-np.inf)), high32),
    )


def features_to_action(space: spaces.Space, features: np.ndarray) -> np.ndarray:
    """Turn action features into what the space's owner accepts.

    Args:
        space: A ``Box`` or ``Discrete`` space.
        features: Features (B, A); for ``Discrete`` the largest one is the choice.

    Returns:
        Actions (B, *shape) in the space's dtype, or indices (B,) int64.
    """
    if isinstance(space, spaces.Discrete):
        return features.argmax(-1) + int(space.start)
    if np.issubdtype(space.dtype, np.integer):
        features = np.rint(features)
    return features.reshape(len(features), *space.shape).astype(space.dtype)  # type: ignore[misc]


@dataclass(frozen=True)
class ObservationLayout:
    """How an observation space becomes one float32 vector, and images beside it."""

    space: spaces.Space
    """The space of a single instance's observations."""
    columns: dict[str, slice]
    """Dotted path of each vector leaf to its columns, in order."""
    images: dict[str, tuple[int, ...]]
    """Dotted path of each leaf that stays apart to its shape."""

    @classmethod
    def of(cls, space: spaces.Space) -> "ObservationLayout":
        """Read the layout off a space.

        Args:
            space: Observation space of a single instance.

        Returns:
            The layout.

        Raises:
            SpaceError: If a leaf is of an unsupported kind.
        """
        columns, images, start = {}, {}, 0
        for name, leaf in leaves(space):
            if is_image(leaf):
                images[name] = tuple(leaf.shape or ())
                continue
            end = start + spaces.flatdim(leaf)
            columns[name] = slice(start, end)
            start = end
        return cls(space, columns, images)

    @property
    def dim(self) -> int:
        """Number of columns of the flat vector."""
        return max((s.stop for s in self.columns.values()), default=0)

    @property
    def shape(self) -> tuple[int, ...] | dict[str, tuple[int, ...]]:
        """``mapped_env_obs_shape``: a tuple, or a dict where images stay apart."""
        if not self.images:
            return (self.dim,)
        return {VECTOR_KEY: (self.dim,), **self.images}

    def has_columns(self, key: str) -> bool:
        """Tell whether a key holds vectors.

        Args:
            key: Dotted path of a leaf or of a dict above leaves.

        Returns:
            Whether :meth:`columns_of` finds some.
        """
        return any(_is_within(name, key) for name in self.columns)

    def columns_of(self, key: str) -> list[int]:
        """Find the columns of a key, nested keys included.

        Args:
            key: Dotted path of a leaf or of a dict above leaves.

        Returns:
            Column numbers in order.

        Raises:
            SpaceError: If there is no such key.
        """
        found = [
            column
            for name, where in self.columns.items()
            if _is_within(name, key)
            for column in range(where.start, where.stop)
        ]
        if not found:
            raise SpaceError(
                f"no observation key {key!r} with vectors; the keys with vectors are "
                f"{sorted(self.columns)}, those with images {sorted(self.images)}"
            )
        return found

    def images_of(self, key: str) -> list[str]:
        """Find the images of a key, nested keys included.

        Args:
            key: Dotted path of a leaf or of a dict above leaves.

        Returns:
            Dotted paths of the images; none if there are none.
        """
        return [name for name in self.images if _is_within(name, key)]

    def flatten(
        self, obs: Any, n_instances: int, active: np.ndarray | None = None
    ) -> Observation:
        """Flatten a batch of observations and check that it is finite.

        Args:
            obs: Observations as a vector environment gives them.
            n_instances: Number of instances B.
            active: Whose values must be finite, (B,) bool; ``None`` for all.

        Returns:
            A float32 array (B, O), or a dict with the vector part and the images.

        Raises:
            ObservationError: If a key is missing, a shape does not fit, or a value is NaN
                or infinite; names the instance and the key.
        """
        vector = np.empty((n_instances, self.dim), np.float32)
        images = {}
        for name, leaf, value in read_leaves(self.space, obs, n_instances):
            if name in self.images:
                images[name] = np.array(value, leaf.dtype)
                self._check_image(images[name], active, name)
            else:
                with np.errstate(over="ignore"):  # too large becomes infinite: below
                    vector[:, self.columns[name]] = leaf_features(leaf, value, name)
        self._check_finite(vector, active)
        return {VECTOR_KEY: vector, **images} if self.images else vector

    def _check_finite(self, vector: np.ndarray, active: np.ndarray | None) -> None:
        # One pass over the sum is enough in the usual case: it is finite only if all are.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(vector.sum()):
                return
        finite = np.isfinite(vector)
        if active is not None:
            finite |= ~active[:, None]
        if finite.all():
            return
        instance, column = np.argwhere(~finite)[0]
        key = next(n for n, s in self.columns.items() if s.start <= column < s.stop)
        raise ObservationError(
            f"observation of instance {instance} has {vector[instance, column]} in key "
            f"{key or 'observation'!r} (column {column}); {int((~finite).sum())} values "
            "in all are not finite"
        )

    @staticmethod
    def _check_image(image: np.ndarray, active: np.ndarray | None, name: str) -> None:
        if not np.issubdtype(image.dtype, np.floating):
            return
        finite = np.isfinite(image).reshape(len(image), -1).all(1)
        if active is not None:
            finite |= ~active
        if not finite.all():
            raise ObservationError(
                f"observation of instance {int(finite.argmin())} has values in key "
                f"{name or 'observation'!r} that are not finite"
            )


def _is_within(name: str, key: str) -> bool:
    return name == key or name.startswith(f"{key}.")
