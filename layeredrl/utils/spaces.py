"""Gymnasium spaces: what counts as a vector, what stays apart, and how actions enter."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from layeredrl.errors import ObservationError, SpaceError
from layeredrl.types import Observation

VECTOR_KEY = "vector"


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
        if len(space.shape) > 1:
            action = action.flatten(-len(space.shape))
        return action.float()
    if action.is_floating_point():
        return action.float()
    index = action.long() - int(space.start)  # type: ignore[attr-defined]
    dim = action_dim(space)
    if index.numel() and not bool(((index >= 0) & (index < dim)).all()):
        raise SpaceError(f"discrete actions outside {space}: {action.unique()}")
    return torch.nn.functional.one_hot(index, dim).float()


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
    return features.reshape(len(features), *space.shape).astype(space.dtype)  # type: ignore[misc]


def leaves(space: spaces.Space, name: str = "") -> Iterator[tuple[str, spaces.Space]]:
    """Walk a nested space in the key order of ``gymnasium.spaces.flatten``.

    Args:
        space: Any space of the kinds below.
        name: Dotted path of the space itself.

    Yields:
        Dotted path and space of each leaf.

    Raises:
        SpaceError: If a leaf is neither Box, Discrete, MultiDiscrete nor MultiBinary.
    """
    if isinstance(space, spaces.Dict):
        for key, child in space.spaces.items():
            yield from leaves(child, f"{name}.{key}" if name else str(key))
    elif isinstance(space, spaces.Tuple):
        for i, child in enumerate(space.spaces):
            yield from leaves(child, f"{name}.{i}" if name else str(i))
    elif isinstance(
        space,
        (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary),
    ):
        yield name, space
    else:
        raise SpaceError(
            f"observations of kind {space} (at {name!r}) are not supported"
        )


def is_image(space: spaces.Space) -> bool:
    """Tell whether a leaf stays apart from the flat vector.

    Args:
        space: A leaf space.

    Returns:
        True for boxes of rank two or more and for uint8 boxes.
    """
    return isinstance(space, spaces.Box) and (
        len(space.shape) > 1 or space.dtype == np.uint8
    )


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
            if name == key or name.startswith(f"{key}.")
            for column in range(where.start, where.stop)
        ]
        if not found:
            raise SpaceError(
                f"no observation key {key!r}; the keys are {sorted(self.columns)}"
            )
        return found

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
        for name, leaf in leaves(self.space):
            value = _at(obs, name, n_instances)
            if name in self.images:
                images[name] = _checked_shape(
                    value, leaf.shape or (), n_instances, name
                )
            else:
                vector[:, self.columns[name]] = _leaf_features(
                    leaf, value, n_instances, name
                )
        self._check_finite(vector, active)
        return {VECTOR_KEY: vector, **images} if self.images else vector

    def _check_finite(self, vector: np.ndarray, active: np.ndarray | None) -> None:
        # One pass over the sum is enough in the usual case: it is finite only if all are.
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


def _at(obs: Any, name: str, n_instances: int) -> np.ndarray:
    value = obs
    for part in name.split(".") if name else ():
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, tuple) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            found = (
                sorted(value) if isinstance(value, Mapping) else type(value).__name__
            )
            raise ObservationError(
                f"observation has no {part!r} (looking for {name!r}); found {found}"
            )
    return np.asarray(value)


def _checked_shape(
    value: np.ndarray, shape: tuple[int, ...], n_instances: int, name: str
) -> np.ndarray:
    if value.shape != (n_instances, *shape):
        raise ObservationError(
            f"observation {name or 'array'!r} has shape {value.shape}, expected "
            f"{(n_instances, *shape)}"
        )
    return value


def _leaf_features(
    leaf: gym.Space, value: np.ndarray, n_instances: int, name: str
) -> np.ndarray:
    value = _checked_shape(value, leaf.shape or (), n_instances, name)
    if isinstance(leaf, (spaces.Discrete, spaces.MultiDiscrete)):
        return np.stack([np.asarray(spaces.flatten(leaf, row)) for row in value])
    return value.reshape(n_instances, -1)
