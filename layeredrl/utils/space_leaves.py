"""Nested spaces leaf by leaf, with the values that belong to each leaf."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from layeredrl.errors import ObservationError, SpaceError


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
    children = _children(space)
    if children is not None:
        for key, child in children:
            yield from leaves(child, _path(name, key))
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


def read_leaves(
    space: spaces.Space, obs: Any, n_instances: int, name: str = ""
) -> Iterator[tuple[str, spaces.Space, np.ndarray]]:
    """Walk a space and a batch of its observations together.

    Args:
        space: Space of a single instance's observations.
        obs: A batch of observations, nested like the space.
        n_instances: Number of instances B.
        name: Dotted path of the space itself.

    Yields:
        Dotted path and space of each leaf, and its values (B, *leaf shape).

    Raises:
        ObservationError: If a key is missing or a shape does not fit.
    """
    children = _children(space)
    if children is not None:
        for key, child in children:
            path = _path(name, key)
            yield from read_leaves(child, _entry(obs, key, path), n_instances, path)
        return
    value = np.asarray(obs)
    expected = (n_instances, *(space.shape or ()))
    if value.shape != expected:
        raise ObservationError(
            f"observation {name or 'array'!r} has shape {value.shape}, expected "
            f"{expected}"
        )
    yield name, space, value


def leaf_features(leaf: spaces.Space, value: np.ndarray, name: str) -> np.ndarray:
    """Turn the values of a leaf into features, as ``gymnasium.spaces.flatten`` does.

    Args:
        leaf: The leaf's space.
        value: Its values (B, *leaf shape).
        name: Its dotted path, for the message.

    Returns:
        Features (B, F): flattened, or one-hot for discrete leaves.

    Raises:
        ObservationError: If a discrete value is not among the choices.
    """
    value = value.reshape(len(value), -1)
    if isinstance(leaf, spaces.Discrete):
        return _one_hot(value - leaf.start, np.array([leaf.n]), name)
    if isinstance(leaf, spaces.MultiDiscrete):
        return _one_hot(value - leaf.start.reshape(-1), leaf.nvec.reshape(-1), name)
    return value


def _one_hot(choice: np.ndarray, n_choices: np.ndarray, name: str) -> np.ndarray:
    wrong = (choice < 0) | (choice >= n_choices)
    if wrong.any():
        instance, component = np.argwhere(wrong)[0]
        raise ObservationError(
            f"observation of instance {instance} has choice number "
            f"{choice[instance, component]} in key {name or 'observation'!r}, there are "
            f"{n_choices[component]}"
        )
    first = np.cumsum(n_choices) - n_choices
    features = np.zeros((len(choice), int(n_choices.sum())), np.float32)
    np.put_along_axis(features, choice + first, 1.0, axis=1)
    return features


def _children(space: spaces.Space) -> list[tuple[Any, spaces.Space]] | None:
    if isinstance(space, spaces.Dict):
        return list(space.spaces.items())
    if isinstance(space, spaces.Tuple):
        return list(enumerate(space.spaces))
    return None


def _path(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)


def _entry(obs: Any, key: Any, path: str) -> Any:
    if isinstance(obs, Mapping) and key in obs:
        return obs[key]
    if isinstance(obs, (tuple, list)) and isinstance(key, int) and key < len(obs):
        return obs[key]
    found = list(obs) if isinstance(obs, Mapping) else type(obs).__name__
    raise ObservationError(
        f"observation has no {key!r} (looking for {path!r}); found {found}"
    )
