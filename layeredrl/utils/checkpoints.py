"""Files that are whole or not there, and hold tensors and plain values only."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layeredrl.errors import CheckpointError
from layeredrl.version import __version__

FORMAT = "layeredrl-checkpoint"
FORMAT_VERSION = 1
_HEADER = {"format", "format_version", "kind", "package_version"}
_PLAIN_TYPES = (bool, int, float, complex, str, bytes)


def to_plain(value: Any) -> Any:
    """Turn arrays into tensors and numpy scalars into Python ones, recursively.

    Args:
        value: Nested dicts, lists and tuples of tensors, arrays and plain values.

    Returns:
        The same structure, loadable with ``weights_only=True``; tuples become lists.
        Writable, contiguous arrays share their memory.

    Raises:
        CheckpointError: If something is of another kind, which could be written but
            never read again.
    """
    if isinstance(value, np.ndarray):
        return _array_to_tensor(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {to_plain(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if value is None or type(value) in _PLAIN_TYPES:
        return value
    if isinstance(value, Tensor):
        return value.detach()
    raise CheckpointError(
        f"checkpoints hold tensors, arrays and plain values, got {value!r}"
    )


def _array_to_tensor(array: np.ndarray) -> Tensor:
    if array.dtype.hasobject or array.dtype.kind not in "biufc":
        raise CheckpointError(
            f"checkpoints hold arrays of numbers, got one of {array.dtype}"
        )
    native = array.dtype.newbyteorder("=")
    # A read-only array is copied: torch would warn of it. ascontiguousarray would turn
    # an array without axes into a vector.
    copied = not (array.flags.c_contiguous and array.flags.writeable)
    return torch.from_numpy(np.array(array, native, order="C", copy=copied or None))


def to_array(value: Any) -> np.ndarray:
    """Copy an array that may have become a tensor on its way through a file.

    ``np.array`` of a tensor warns with NumPy 2.

    Args:
        value: An array, a tensor on the CPU, or a number.

    Returns:
        A new array.
    """
    return np.asarray(value).copy()


def save_checkpoint(path: str | Path, kind: str, content: dict[str, Any]) -> None:
    """Write a file atomically: after a crash there is the old one or the new one.

    Args:
        path: Where to write; missing folders are made.
        kind: What it holds, checked again on loading.
        content: Nested dicts of tensors, arrays and plain values.

    Raises:
        CheckpointError: If it cannot be written (disk full, no permission) or holds what
            could not be read again; a file that was there before is untouched.
    """
    path = Path(path)
    plain = to_plain(content)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    header = {"format": FORMAT, "format_version": FORMAT_VERSION, "kind": kind}
    header["package_version"] = __version__
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            torch.save({"header": header, "content": plain}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"cannot write the checkpoint {path}: {error}") from error
    finally:
        with suppress(OSError):  # also where there is no such folder
            temporary.unlink(missing_ok=True)


def load_checkpoint(
    path: str | Path, kind: str, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Read and check a file that :func:`save_checkpoint` wrote.

    Args:
        path: The file.
        kind: What it must hold.
        device: Where its tensors go.

    Returns:
        The content; arrays come back as tensors, tuples as lists.

    Raises:
        CheckpointError: If the file is missing, truncated, not ours, of another kind,
            or written by a newer version.
    """
    try:
        raw = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint at {path}") from error
    except Exception as error:  # unpickling foreign bytes can raise anything
        raise CheckpointError(
            f"{path} is not a checkpoint of ours, or it is truncated: {error}"
        ) from error
    header = raw.get("header") if isinstance(raw, dict) else None
    if not isinstance(header, dict) or not _HEADER <= header.keys():
        raise CheckpointError(f"{path} was not written by layeredrl")
    if header["format"] != FORMAT or not isinstance(raw.get("content"), dict):
        raise CheckpointError(f"{path} was not written by layeredrl")
    if header["format_version"] > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format {header['format_version']} (layeredrl "
            f"{header['package_version']}), this is layeredrl {__version__} and reads "
            f"up to format {FORMAT_VERSION}"
        )
    if header["kind"] != kind:
        raise CheckpointError(f"{path} holds a {header['kind']!r}, expected {kind!r}")
    content: dict[str, Any] = raw["content"]
    return content
