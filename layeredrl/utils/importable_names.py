"""Classes and functions by name: where they are defined, and back."""

import importlib
import sys
import types
from collections.abc import Sequence
from typing import Any

from layeredrl.errors import CheckpointError, ConfigurationError

NAMED_TYPES = (type, types.FunctionType, types.BuiltinFunctionType)


def name_of(value: Any) -> str:
    """Name a class or function so that :func:`resolve_name` finds it.

    Args:
        value: The class or function.

    Returns:
        ``module:qualified name``.

    Raises:
        ConfigurationError: If it is a lambda, local, or of the running script.
    """
    module, qualname = value.__module__, value.__qualname__
    name = f"{module}:{qualname}"
    if module == "__main__" or "<" in name or _find(module, qualname) is not value:
        raise ConfigurationError(
            f"{name} cannot be written into a checkpoint: it is not importable; define "
            "it at the top of a module"
        )
    return name


def resolve_name(name: str, trusted: Sequence[str]) -> Any:
    """Find what a name stands for, if it is defined in a trusted package.

    Args:
        name: What :func:`name_of` returned, or what a file claims that it did.
        trusted: Packages whose names may be resolved.

    Returns:
        The class or function.

    Raises:
        CheckpointError: If the name lies outside the trusted packages, does not exist, or
            stands for anything but a class or function that is defined right there.
    """
    module, _, qualname = name.partition(":")
    if not any(module == p or module.startswith(f"{p}.") for p in trusted):
        raise CheckpointError(
            f"a checkpoint names {name}, which lies outside the trusted packages; pass "
            f"trusted=({module.split('.')[0]!r},) if you trust the file. Trusted are "
            f"{', '.join(trusted)}"
        )
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise CheckpointError(
            f"a checkpoint names {name}, which is missing here"
        ) from error
    value = _find(module, qualname)
    if value is None:
        raise CheckpointError(f"a checkpoint names {name}, which is missing here")
    # A trusted module also shows what it imported, and attributes lead on from there:
    # only a class or function under the name that it gives itself counts.
    own = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(value, NAMED_TYPES) or own != (module, qualname):
        raise CheckpointError(
            f"a checkpoint names {name}, which is no class or function defined there"
        )
    return value


def _find(module: str, qualname: str) -> Any:
    """Look a name up in what is already imported; ``None`` if it is not there."""
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found
