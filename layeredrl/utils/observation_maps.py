"""What each level gets to see of an observation (information hiding)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, ObservationError, SpaceError
from layeredrl.types import Observation
from layeredrl.utils.spaces import VECTOR_KEY, ObservationLayout

Shape = tuple[int, ...] | dict[str, tuple[int, ...]]
MapDescription = (
    None
    | Sequence[str]
    | Sequence[int]
    | tuple[Callable[[Observation], Observation], spaces.Space]
)
"""How users write a map: ``None`` (everything), kept keys, kept columns, or a function of
the flattened batch together with the space of what it returns for one instance."""


class ObservationMap(ABC):
    """Maps a batch of flattened observations to what one level sees.

    Attributes:
        shape: ``mapped_env_obs_shape``: (O,), or a dict where images stay apart.
    """

    shape: Shape

    @abstractmethod
    def __call__(self, obs: Observation) -> Observation:
        """Map a batch.

        Args:
            obs: Flattened observations, as :class:`ObservationLayout` makes them.

        Returns:
            What the level sees.
        """


class KeepEverything(ObservationMap):
    """The identity."""

    def __init__(self, layout: ObservationLayout):
        """Take over the layout's shape.

        Args:
            layout: Layout of the environment's observations.
        """
        self.shape = layout.shape

    def __call__(self, obs: Observation) -> Observation:
        """Return the observations themselves."""
        return obs


class KeepColumns(ObservationMap):
    """Keeps some columns of the vector part and some images."""

    def __init__(
        self, layout: ObservationLayout, columns: Sequence[int], images: Sequence[str]
    ):
        """Check and store what is kept.

        Args:
            layout: Layout of the environment's observations.
            columns: Kept columns, in the order in which the level sees them.
            images: Kept images.

        Raises:
            SpaceError: If a column does not exist, or nothing is kept.
        """
        self._columns = np.asarray(columns, dtype=np.int64)
        self._images = tuple(images)
        if self._columns.size == 0 and not images:
            raise SpaceError("an observation map must keep something, it keeps nothing")
        if self._columns.size and not (
            0 <= self._columns.min() and self._columns.max() < layout.dim
        ):
            raise SpaceError(
                f"observation columns {list(columns)} do not all exist; there are "
                f"{layout.dim}, counted from 0"
            )
        dim = (len(self._columns),)
        self.shape = (
            {VECTOR_KEY: dim, **{k: layout.images[k] for k in images}}
            if images
            else dim
        )

    def __call__(self, obs: Observation) -> Observation:
        """Select columns and images."""
        if not isinstance(obs, dict):
            return obs[:, self._columns]
        vector = obs[VECTOR_KEY][:, self._columns]
        if not self._images:
            return vector
        return {VECTOR_KEY: vector, **{key: obs[key] for key in self._images}}


class MapFunction(ObservationMap):
    """A user's own function."""

    def __init__(
        self, function: Callable[[Observation], Observation], space: spaces.Space
    ):
        """Store the function and what it is said to return.

        Args:
            function: Maps a flattened batch to a batch of the space.
            space: Space of one row of the result.
        """
        self._function = function
        self._layout = ObservationLayout.of(space)
        self.shape = self._layout.shape

    def __call__(self, obs: Observation) -> Observation:
        """Call the function, and flatten and check what comes back."""
        vector = obs[VECTOR_KEY] if isinstance(obs, dict) else obs
        # Instances at rest may hold anything; what went in finite must come out so.
        finite = np.asarray(np.isfinite(vector).all(axis=1))
        try:
            return self._layout.flatten(self._function(obs), len(vector), finite)
        except ObservationError as error:
            raise ObservationError(
                f"an observation map broke its promise of {self._layout.space}: {error}"
            ) from error


def is_same_map(one: MapDescription, other: MapDescription) -> bool:
    """Tell whether two descriptions certainly mean the same.

    Args:
        one: A description.
        other: Another one.

    Returns:
        Whether they are equal; the same set of columns in another order is not.
    """
    if one is None or other is None:
        return one is other
    return list(one) == list(other)


def observation_map(
    description: MapDescription, layout: ObservationLayout
) -> ObservationMap:
    """Build the map that a user described.

    Args:
        description: See :data:`MapDescription`.
        layout: Layout of the environment's observations.

    Returns:
        The map.

    Raises:
        ConfigurationError: If the description is of no known form.
        SpaceError: If a key or column does not exist.
    """
    if description is None:
        return KeepEverything(layout)
    if isinstance(description, str):
        raise ConfigurationError(
            f"an observation map is a list of keys, got the string {description!r}"
        )
    items: list[Any] = list(description) if isinstance(description, Iterable) else []
    if len(items) == 2 and callable(items[0]) and isinstance(items[1], spaces.Space):
        return MapFunction(*items)
    if items and all(isinstance(item, str) for item in items):
        return _keep_keys([str(item) for item in items], layout)
    # A list of switches, one per column, is not a list of columns 0 and 1.
    if items and all(
        isinstance(item, (int, np.integer)) and not isinstance(item, bool)
        for item in items
    ):
        return KeepColumns(layout, [int(item) for item in items], sorted(layout.images))
    raise ConfigurationError(
        "an observation map is None, a list of keys, a list of columns, or "
        f"(function, space); got {description!r}"
    )


def _keep_keys(keys: list[str], layout: ObservationLayout) -> KeepColumns:
    columns: list[int] = []
    images: list[str] = []
    for key in keys:
        found = layout.images_of(key)
        images += found
        # A dict may hold images only, but no key may hold nothing at all.
        if not found or layout.has_columns(key):
            columns += layout.columns_of(key)
    return KeepColumns(layout, columns, images)
