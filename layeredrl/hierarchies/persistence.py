"""Hierarchies on disk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from gymnasium.vector import VectorEnv

from layeredrl.errors import CheckpointError, ConfigurationError
from layeredrl.hierarchies.space_fitting import describe_spaces
from layeredrl.levels import Level
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.observation_maps import MapDescription
from layeredrl.utils.recipe_codec import decode, encode
from layeredrl.utils.spaces import single_spaces

if TYPE_CHECKING:
    from layeredrl.hierarchies.hierarchy import Hierarchy

KIND = "hierarchy"
BUFFERS_KIND = "replay buffers"
Recipe = tuple[tuple[Level, ...], tuple[MapDescription, ...]]


def describe(hierarchy: "Hierarchy") -> dict[str, str]:
    """Say in words what must agree for a state to fit.

    Args:
        hierarchy: The hierarchy.

    Returns:
        Levels, spaces and number of instances.
    """
    levels = [
        f"{type(level).__name__} that sees {level.spec.obs_shape} and decides in "
        f"{level.spec.action_space}"
        for level in hierarchy.levels
    ]
    return {
        "levels": "; ".join(levels),
        "observation space": str(hierarchy.observation_space),
        "instances": str(hierarchy.n_instances),
        **describe_spaces(hierarchy.observation_space, hierarchy.action_space),
    }


def save_hierarchy(
    hierarchy: "Hierarchy", recipe: Recipe, path: str | Path, with_buffers: bool
) -> None:
    """Write a hierarchy to one file, atomically.

    Args:
        hierarchy: What to save.
        recipe: Descriptions of its levels and maps.
        path: The file.
        with_buffers: Whether replay buffers are written too.

    Raises:
        CheckpointError: If the file cannot be written.
    """
    try:
        description, why_not = encode(recipe), ""
    except ConfigurationError as error:
        description, why_not = None, str(error)
    content = {
        "description": describe(hierarchy),
        "recipe": description,
        "why_no_recipe": why_not,
        "acting": hierarchy.acting_state(),
        "state": hierarchy.state_dict(),
        "buffers": _buffer_states(hierarchy) if with_buffers else None,
    }
    save_checkpoint(path, KIND, content)


def restore_hierarchy(hierarchy: "Hierarchy", path: str | Path) -> None:
    """Put a hierarchy into the state it had when it was saved.

    Args:
        hierarchy: Of the same levels, spaces and size.
        path: The file.

    Raises:
        CheckpointError: If the file is not whole, or its state does not fit; nothing has
            changed then.
    """
    content = _read(path, KIND, {"description", "state", "buffers"})
    check_description(content["description"], describe(hierarchy), path)
    with _all_or_nothing(hierarchy, path):
        hierarchy.load_state_dict(content["state"])
        if content["buffers"] is not None:
            _load_buffer_states(hierarchy, content["buffers"])


def read_recipe(
    path: str | Path, env: gym.Env | VectorEnv, trusted: Sequence[str]
) -> tuple[Recipe, dict[str, Any]]:
    """Read the descriptions of levels and maps, and what acting needs.

    Args:
        path: The file.
        env: Where the hierarchy will act.
        trusted: Packages beside ours whose names may be resolved.

    Returns:
        The recipe and the acting state.

    Raises:
        CheckpointError: If the file is not whole, is of an environment with other spaces,
            or its levels could not be described when it was saved.
    """
    content = _read(path, KIND, {"description", "recipe", "why_no_recipe", "acting"})
    check_description(
        content["description"], describe_spaces(*single_spaces(env)), path
    )
    if content["recipe"] is None:
        raise CheckpointError(
            f"{path} does not say how its levels are built ({content['why_no_recipe']});"
            " build the hierarchy yourself and call restore"
        )
    recipe = decode(content["recipe"], trusted)
    if not isinstance(recipe, tuple) or len(recipe) != 2:
        raise CheckpointError(f"{path} describes {recipe!r}, which is no hierarchy")
    return recipe, content["acting"]


def save_buffers(hierarchy: "Hierarchy", path: str | Path) -> None:
    """Write the replay buffers of all levels to one file, atomically.

    Args:
        hierarchy: Whose buffers.
        path: The file.

    Raises:
        CheckpointError: If the file cannot be written.
    """
    content = {
        "description": describe(hierarchy),
        "buffers": _buffer_states(hierarchy),
    }
    save_checkpoint(path, BUFFERS_KIND, content)


def load_buffers(hierarchy: "Hierarchy", path: str | Path) -> None:
    """Read what :func:`save_buffers` wrote; new episodes begin.

    Args:
        hierarchy: Of the same levels, spaces and size.
        path: The file.

    Raises:
        CheckpointError: If the file is not whole, or does not fit; nothing has changed
            then.
    """
    content = _read(path, BUFFERS_KIND, {"description", "buffers"})
    check_description(content["description"], describe(hierarchy), path)
    with _all_or_nothing(hierarchy, path):
        _load_buffer_states(hierarchy, content["buffers"])
    # The episodes in progress are not those that the buffers end with.
    hierarchy.reset()


def check_description(
    saved: dict[str, str], own: dict[str, str], path: str | Path
) -> None:
    """Refuse a state that cannot fit.

    Args:
        saved: Description of the hierarchy that was saved.
        own: Description of the one that asks.
        path: The file, for the message.

    Raises:
        CheckpointError: If they differ; says in what.
    """
    different = [
        f"{key}: {saved.get(key)} saved, {value} here"
        for key, value in own.items()
        if saved.get(key) != value
    ]
    if different:
        raise CheckpointError(f"{path} is of another hierarchy: {'; '.join(different)}")


def _read(path: str | Path, kind: str, keys: set[str]) -> dict[str, Any]:
    content = load_checkpoint(path, kind)
    if not keys <= content.keys():
        raise CheckpointError(f"{path} lacks {sorted(keys - content.keys())}")
    return content


@contextmanager
def _all_or_nothing(hierarchy: "Hierarchy", path: str | Path) -> Iterator[None]:
    """Undo everything if what a file holds turns out not to fit."""
    before, buffers = hierarchy.state_dict(), _buffer_states(hierarchy)
    try:
        yield
    except BaseException as error:
        hierarchy.load_state_dict(before)
        _load_buffer_states(hierarchy, buffers)
        if not isinstance(error, Exception):
            raise
        raise CheckpointError(
            f"{path} does not fit this hierarchy: {error!r}"
        ) from error


def _buffer_states(hierarchy: "Hierarchy") -> list[dict[str, Any]]:
    return [level.buffer_state() for level in hierarchy.levels]


def _load_buffer_states(hierarchy: "Hierarchy", states: list[dict[str, Any]]) -> None:
    for level, state in zip(hierarchy.levels, states, strict=True):
        level.load_buffer_state(state)
