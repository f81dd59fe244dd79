"""Reads what was recorded from AMAGO's networks, and compares with it."""

import importlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

PATH = Path(__file__).parents[2] / "data" / "amago_cases.npz"


@cache
def _file() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with np.load(PATH) as file:
        arrays = dict(file)
    return json.loads(arrays.pop("index").tobytes()), arrays


def names(prefix: str) -> list[str]:
    """List the recorded cases whose name starts like that."""
    return [name for name in _file()[0] if name.startswith(prefix)]


def _decode(value: Any) -> Any:
    """Make tensors, spaces and classes of their descriptions."""
    if isinstance(value, list):
        return [_decode(v) for v in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        dtype, start, shape = value["tensor"]
        flat = _file()[1][dtype][start : start + int(np.prod(shape))]
        return torch.from_numpy(flat.reshape(shape).copy())
    if "@box" in value:
        low, high, shape, dtype = value["@box"]
        return spaces.Box(low, high, tuple(shape), np.dtype(dtype).type)
    if "@dict" in value:
        return spaces.Dict(_decode(value["@dict"]))
    if "@" in value:
        module, _, name = value["@"].partition(":")
        return getattr(importlib.import_module(f"layeredrl.nets.{module}"), name)
    return {k: _decode(v) for k, v in value.items()}


def functional(output: Tensor) -> Tensor:
    """Weigh an output by fixed random numbers, as was done to record gradients."""
    rng = np.random.RandomState(output.numel() % 99991)
    weights = rng.standard_normal(tuple(output.shape))
    return (output * torch.from_numpy(weights).to(output.dtype)).sum()


class Recording:
    """One recorded case: inputs, outputs and how the module was built, by name."""

    def __init__(self, name: str) -> None:
        self._data = _file()[0][name]

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def __getitem__(self, key: str) -> Any:
        return _decode(self._data[key])

    def build(self, **kwargs: Any) -> Any:
        """Build the module and load the recorded weights strictly."""
        how = self["build"]
        kwargs = how["kwargs"] | kwargs
        module = _decode({"@": how["type"]})(*how["args"], **kwargs)
        if how["state"] is not None:
            module.load_state_dict(how["state"], strict=True)
        return module

    def check(
        self, key: str, actual: Any, *, atol: float = 2e-5, rtol: float = 2e-4
    ) -> None:
        """Compare something with what was recorded under a name."""
        expected = self[key]
        if not isinstance(expected, Tensor):
            assert actual == expected and type(actual) is type(expected), key
            return
        torch.testing.assert_close(
            actual.detach(), expected, atol=atol, rtol=rtol, equal_nan=True, msg=key
        )

    def check_state(
        self, key: str, module: torch.nn.Module, atol: float = 1e-5
    ) -> None:
        """Compare buffers with what they were."""
        state = module.state_dict()
        for name, expected in self[key].items():
            torch.testing.assert_close(state[name], expected, atol=atol, rtol=2e-4)

    def check_grads(
        self, key: str, module: torch.nn.Module, tol: float = 1e-3, **inputs: Tensor
    ) -> None:
        """Compare gradients of all parameters, and of inputs, with what they were."""
        grads = {name: p.grad for name, p in module.named_parameters()}
        grads.update({f"(input) {name}": x.grad for name, x in inputs.items()})
        recorded = self[key]
        assert set(recorded) == set(grads)
        for name, expected in recorded.items():
            grad = grads[name]
            if expected is None or expected["norm"] == 0:
                assert grad is None or not grad.any(), name
                continue
            assert grad is not None, name
            norm, some = expected["norm"], grad.flatten()[expected["index"]]
            typical = norm / np.sqrt(grad.numel()) * np.sqrt(len(some)) + 1e-5
            scale = max(float(expected["value"].norm()), typical)
            assert float((some - expected["value"]).norm()) <= tol * scale, name
            size_error = abs(float(grad.double().norm()) - norm)
            assert size_error <= tol * (norm + 1e-6 * np.sqrt(grad.numel())), name
