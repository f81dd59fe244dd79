"""Descriptions of objects as plain values, so that a checkpoint can rebuild them.

Only what was built from configuration can be written down: numbers, strings, arrays,
spaces, dataclasses, ``functools.partial`` and names of importable classes and functions.
Reading one back only ever resolves names inside trusted packages.
"""

import dataclasses
import importlib
import types
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.errors import CheckpointError, ConfigurationError

TRUSTED_PACKAGES = ("layeredrl", "torch.nn")
_TAG = "$"


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
        Nested dicts and lists of tensors and plain values.

    Raises:
        ConfigurationError: If something in it is a lambda, a local function, or an
            object that cannot be described.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type)):
        return {_TAG: "name", "name": _name_of(value)}
    for kind, (matches, write, _) in _KINDS.items():
        if matches(value):
            return {_TAG: kind, **write(value)}
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
    if not isinstance(value, Mapping):
        return value
    kind = value.get(_TAG)
    if kind == "name":
        return _resolve(value["name"], trusted)
    if kind not in _KINDS:
        raise CheckpointError(f"a checkpoint describes something of kind {kind!r}")
    return _KINDS[kind][2](value, trusted)


def _name_of(value: Any) -> str:
    name = f"{value.__module__}:{value.__qualname__}"
    if "<" in name or value.__module__ == "__main__":
        raise ConfigurationError(
            f"{name} cannot be written into a checkpoint: it is not importable; define "
            "it at the top of a module"
        )
    return name


def _resolve(name: str, trusted: Sequence[str]) -> Any:
    module, _, qualname = name.partition(":")
    packages = (*TRUSTED_PACKAGES, *trusted)
    if not _is_within(module, packages):
        raise CheckpointError(
            f"a checkpoint names {name}, which lies outside {packages}; pass "
            f"trusted=({module.split('.')[0]!r},) if you trust the file"
        )
    try:
        value: Any = importlib.import_module(module)
        for part in qualname.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError) as error:
        raise CheckpointError(
            f"a checkpoint names {name}, which is missing here"
        ) from error
    # A trusted module also shows what it imported; only its own things count.
    if not _is_within(getattr(value, "__module__", ""), packages):
        raise CheckpointError(f"a checkpoint names {name}, which is defined elsewhere")
    return value


def _is_within(module: str, packages: Sequence[str]) -> bool:
    return any(module == p or module.startswith(f"{p}.") for p in packages)


def _write_fields(value: Any) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(value)]
    fields = {name: encode(getattr(value, name)) for name in names}
    return {"class": _name_of(type(value)), "arguments": fields}


def _write_describable(value: Describable) -> dict[str, Any]:
    arguments = {k: encode(v) for k, v in value.constructor_arguments().items()}
    return {"class": _name_of(type(value)), "arguments": arguments}


def _read_object(value: Mapping[str, Any], trusted: Sequence[str]) -> Any:
    built = _resolve(value["class"], trusted)
    # Else a file could have any function of ours called, with arguments of its choice.
    if not isinstance(built, type) or not (
        dataclasses.is_dataclass(built) or issubclass(built, Describable)
    ):
        raise CheckpointError(
            f"a checkpoint builds {value['class']}, which is no description"
        )
    arguments = {k: decode(v, trusted) for k, v in value["arguments"].items()}
    return built(**arguments)


def _write_partial(value: partial) -> dict[str, Any]:
    return {
        "function": encode(value.func),
        "positional": [encode(item) for item in value.args],
        "keywords": {k: encode(v) for k, v in value.keywords.items()},
    }


def _read_partial(value: Mapping[str, Any], trusted: Sequence[str]) -> partial:
    positional = [decode(item, trusted) for item in value["positional"]]
    keywords = {k: decode(v, trusted) for k, v in value["keywords"].items()}
    return partial(decode(value["function"], trusted), *positional, **keywords)


def _write_items(value: Sequence[Any]) -> dict[str, Any]:
    return {"items": [encode(item) for item in value]}


def _write_dict(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {"pairs": [[encode(k), encode(v)] for k, v in value.items()]}


def _write_box(value: spaces.Box) -> dict[str, Any]:
    return {"low": value.low, "high": value.high, "dtype": str(value.dtype)}


def _read_box(value: Mapping[str, Any], trusted: Sequence[str]) -> spaces.Box:
    low, high = np.array(value["low"]), np.array(value["high"])
    return spaces.Box(low, high, dtype=np.dtype(value["dtype"]).type)


_KINDS: dict[str, tuple[Any, Any, Any]] = {
    "array": (
        lambda v: isinstance(v, (np.ndarray, np.generic)),
        lambda v: {"array": np.asarray(v)},
        lambda v, trusted: np.array(v["array"]),
    ),
    "tensor": (
        lambda v: isinstance(v, torch.Tensor),
        lambda v: {"tensor": v.detach().clone()},
        lambda v, trusted: v["tensor"],
    ),
    "device": (
        lambda v: isinstance(v, torch.device),
        lambda v: {"device": str(v)},
        lambda v, trusted: torch.device(v["device"]),
    ),
    "partial": (lambda v: isinstance(v, partial), _write_partial, _read_partial),
    "box": (lambda v: isinstance(v, spaces.Box), _write_box, _read_box),
    "discrete": (
        lambda v: isinstance(v, spaces.Discrete),
        lambda v: {"n": int(v.n), "start": int(v.start)},
        lambda v, trusted: spaces.Discrete(v["n"], start=v["start"]),
    ),
    "dataclass": (dataclasses.is_dataclass, _write_fields, _read_object),
    "object": (lambda v: isinstance(v, Describable), _write_describable, _read_object),
    "list": (
        lambda v: isinstance(v, list),
        _write_items,
        lambda v, trusted: [decode(item, trusted) for item in v["items"]],
    ),
    "tuple": (
        lambda v: isinstance(v, tuple),
        _write_items,
        lambda v, trusted: tuple(decode(item, trusted) for item in v["items"]),
    ),
    "dict": (
        lambda v: isinstance(v, Mapping),
        _write_dict,
        lambda v, trusted: {
            decode(k, trusted): decode(item, trusted) for k, item in v["pairs"]
        },
    ),
}
