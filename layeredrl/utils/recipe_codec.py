"""Descriptions of objects as plain values, so that a checkpoint can rebuild them.

Only what was built from configuration can be written down: numbers, strings, arrays,
spaces, dataclasses, ``functools.partial`` and names of importable classes and functions.
Reading one back resolves names inside trusted packages only and calls nothing but
constructors of descriptions, so that a file from elsewhere cannot run code.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.errors import CheckpointError, ConfigurationError
from layeredrl.utils.checkpoints import to_array
from layeredrl.utils.importable_names import NAMED_TYPES, name_of, resolve_name

# What recipes are made of. Rooms that write files or step environments are left out:
# a file may name a function, and whoever builds the recipe will call it.
TRUSTED_PACKAGES = (
    "layeredrl.learners",
    "layeredrl.levels",
    "layeredrl.models",
    "layeredrl.nets",
    "layeredrl.objectives",
    "layeredrl.optimizers",
    "layeredrl.planners",
    "layeredrl.predictors",
    "layeredrl.utils.distributions",
    "layeredrl.utils.normalization",
    "layeredrl.utils.schedules",
    "torch.nn.functional",
    "torch.nn.init",
    "torch.nn.modules",
)
_TAG = "$"
_PLAIN_TYPES = (bool, int, float, str)


class Describable(ABC):
    """An object that can be rebuilt from its constructor's arguments."""

    @abstractmethod
    def constructor_arguments(self) -> dict[str, Any]:
        """Name the arguments that build an equal object.

        Returns:
            Keyword arguments of the class.
        """


def encode(value: Any) -> Any:
    """Write a description down.

    Args:
        value: What to describe.

    Returns:
        Nested dicts and lists of tensors, arrays and plain values.

    Raises:
        ConfigurationError: If something in it is a lambda, a local function, or an
            object that cannot be described.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in _PLAIN_TYPES:
        return value
    if isinstance(value, NAMED_TYPES):
        return {_TAG: "name", "name": name_of(value)}
    for kind, codec in _CODECS.items():
        if codec.matches(value):
            return {_TAG: kind, **codec.write(value)}
    raise ConfigurationError(
        f"{value!r} cannot be written into a checkpoint: only numbers, strings, arrays, "
        "spaces, dataclasses, functools.partial and importable names can"
    )


def decode(value: Any, trusted: Sequence[str] = ()) -> Any:
    """Rebuild what :func:`encode` wrote.

    Args:
        value: The description.
        trusted: Packages beside ours whose names may be resolved.

    Returns:
        An equal object.

    Raises:
        CheckpointError: If a name lies outside the trusted packages or does not exist, or
            the description is of no known form.
    """
    try:
        return _decode(value, (*TRUSTED_PACKAGES, *trusted))
    except CheckpointError:
        raise
    except Exception as error:  # the arguments come from a file: anything may happen
        raise CheckpointError(
            f"a checkpoint's description cannot be read: {error!r}"
        ) from error


def _decode(value: Any, trusted: Sequence[str]) -> Any:
    if value is None or type(value) in _PLAIN_TYPES:
        return value
    kind = value.get(_TAG) if isinstance(value, Mapping) else type(value).__name__
    if kind == "name":
        return resolve_name(value["name"], trusted)
    if kind not in _CODECS:
        raise CheckpointError(f"a checkpoint describes something of kind {kind!r}")
    return _CODECS[kind].read(value, trusted)


def _write_fields(value: Any) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(value) if field.init]
    return _write_call(type(value), {name: getattr(value, name) for name in names})


def _write_call(built: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    encoded = {name: encode(item) for name, item in arguments.items()}
    return {"class": name_of(built), "arguments": encoded}


def _read_call(value: Mapping[str, Any], trusted: Sequence[str]) -> Any:
    built = resolve_name(value["class"], trusted)
    # Else a file could have any function of ours called, with arguments of its choice.
    if not isinstance(built, type) or not (
        dataclasses.is_dataclass(built)
        or issubclass(built, Describable)
        or _is_named_tuple(built)
    ):
        raise CheckpointError(
            f"a checkpoint builds {value['class']}, which is no description"
        )
    return built(**{k: _decode(v, trusted) for k, v in value["arguments"].items()})


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and isinstance(getattr(kind, "_fields", None), tuple)


def _write_partial(value: partial) -> dict[str, Any]:
    return {
        "function": encode(value.func),
        "positional": [encode(item) for item in value.args],
        "keywords": {k: encode(v) for k, v in value.keywords.items()},
    }


def _read_partial(value: Mapping[str, Any], trusted: Sequence[str]) -> partial:
    positional = [_decode(item, trusted) for item in value["positional"]]
    keywords = {k: _decode(v, trusted) for k, v in value["keywords"].items()}
    return partial(_decode(value["function"], trusted), *positional, **keywords)


def _write_array(value: np.ndarray) -> dict[str, Any]:
    if value.dtype.kind not in "biuf":
        raise ConfigurationError(
            f"an array of {value.dtype} cannot be written into a checkpoint: only "
            "arrays of numbers can"
        )
    return {"array": value}


def _write_box(value: spaces.Box) -> dict[str, Any]:
    return {"low": value.low, "high": value.high, "dtype": str(value.dtype)}


def _read_box(value: Mapping[str, Any], trusted: Sequence[str]) -> spaces.Box:
    low, high = to_array(value["low"]), to_array(value["high"])
    return spaces.Box(low, high, dtype=np.dtype(value["dtype"]).type)


def _write_items(items: Sequence[Any]) -> dict[str, Any]:
    return {"items": [encode(item) for item in items]}


def _write_pairs(pairs: Mapping[Any, Any]) -> dict[str, Any]:
    return {"pairs": [[encode(k), encode(v)] for k, v in pairs.items()]}


def _read_items(value: Mapping[str, Any], trusted: Sequence[str]) -> list[Any]:
    return [_decode(item, trusted) for item in value["items"]]


def _read_pairs(value: Mapping[str, Any], trusted: Sequence[str]) -> dict[Any, Any]:
    return {_decode(k, trusted): _decode(v, trusted) for k, v in value["pairs"]}


class _Codec(NamedTuple):
    """How one kind of object is written and read."""

    matches: Callable[[Any], bool]
    write: Callable[[Any], dict[str, Any]]
    read: Callable[[Mapping[str, Any], Sequence[str]], Any]


def _exactly(kind: type) -> Callable[[Any], bool]:
    """Match a class but not its subclasses, which may hold more."""
    return lambda value: type(value) is kind


_CODECS = {
    "array": _Codec(
        _exactly(np.ndarray), _write_array, lambda v, trusted: to_array(v["array"])
    ),
    "tensor": _Codec(
        _exactly(torch.Tensor),
        lambda v: {"tensor": v.detach().clone()},
        lambda v, trusted: v["tensor"],
    ),
    "device": _Codec(
        _exactly(torch.device),
        lambda v: {"device": str(v)},
        lambda v, trusted: torch.device(v["device"]),
    ),
    "partial": _Codec(_exactly(partial), _write_partial, _read_partial),
    "box": _Codec(_exactly(spaces.Box), _write_box, _read_box),
    "discrete": _Codec(
        _exactly(spaces.Discrete),
        lambda v: {"n": int(v.n), "start": int(v.start)},
        lambda v, trusted: spaces.Discrete(v["n"], start=v["start"]),
    ),
    "dict space": _Codec(
        _exactly(spaces.Dict),
        lambda v: _write_pairs(v.spaces),
        # From pairs: a dict's keys would be sorted.
        lambda v, trusted: spaces.Dict(list(_read_pairs(v, trusted).items())),
    ),
    "tuple space": _Codec(
        _exactly(spaces.Tuple),
        lambda v: _write_items(v.spaces),
        lambda v, trusted: spaces.Tuple(_read_items(v, trusted)),
    ),
    "dataclass": _Codec(dataclasses.is_dataclass, _write_fields, _read_call),
    "object": _Codec(
        lambda v: isinstance(v, Describable),
        lambda v: _write_call(type(v), v.constructor_arguments()),
        _read_call,
    ),
    "named tuple": _Codec(
        lambda v: _is_named_tuple(type(v)),
        lambda v: _write_call(type(v), v._asdict()),
        _read_call,
    ),
    "list": _Codec(_exactly(list), _write_items, _read_items),
    "tuple": _Codec(
        _exactly(tuple), _write_items, lambda v, trusted: tuple(_read_items(v, trusted))
    ),
    "dict": _Codec(_exactly(dict), _write_pairs, _read_pairs),
}
