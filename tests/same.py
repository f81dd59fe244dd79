"""Equality all the way down: nested states of tensors, arrays and plain values."""

from collections.abc import Mapping

import numpy as np
import torch


def assert_same(one, other, where="state"):
    """Equal bit for bit; tensors and arrays may stand for each other, NaN equals NaN."""
    if isinstance(one, Mapping):
        assert isinstance(other, Mapping) and list(one) == list(other), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), f"{where}: {len(one)} and {len(other)} entries"
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{i}]")
    elif isinstance(one, torch.Tensor | np.ndarray):
        a, b = np.asarray(one), np.asarray(other)
        assert (a.shape, a.dtype) == (b.shape, b.dtype), where
        equal = np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        assert equal, f"{where}: {a} and {b}"
    else:
        assert type(one) is type(other), f"{where}: {one!r} and {other!r}"
        both_nan = one != one and other != other
        assert one == other or both_nan, f"{where}: {one!r} and {other!r}"


def is_same(one, other):
    """Tell whether :func:`assert_same` passes."""
    try:
        assert_same(one, other)
    except AssertionError:
        return False
    return True
