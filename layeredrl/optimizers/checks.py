"""What is let in at the door, and the errors that say what was got instead."""

import math
from collections.abc import Sequence
from numbers import Integral, Real

import torch
from torch import Tensor

from layeredrl.errors import ConfigurationError, ShapeError


def check_count(name: str, value: object) -> None:
    """Let only positive whole numbers pass.

    Args:
        name: What the number is called in the error.
        value: The number.

    Raises:
        ConfigurationError: If it is not a whole number of at least one.
    """
    number = int(value) if isinstance(value, Integral) else 0
    if number < 1 or isinstance(value, bool):
        raise ConfigurationError(
            f"{name} must be a whole number of at least 1, got {value!r}"
        )


def check_range(
    name: str,
    value: object,
    low: float = 0.0,
    high: float = math.inf,
    *,
    allow_low: bool = True,
    allow_high: bool = True,
) -> None:
    """Let only finite numbers of an interval pass.

    Args:
        name: What the number is called in the error.
        value: The number.
        low: Lower end of the interval.
        high: Upper end of the interval.
        allow_low: Whether the lower end itself is legal.
        allow_high: Whether the upper end itself is legal.

    Raises:
        ConfigurationError: If it is no finite number of the interval.
    """
    number = float(value) if isinstance(value, Real) else math.nan
    above = low <= number if allow_low else low < number
    below = number <= high if allow_high else number < high
    if not (above and below and math.isfinite(number)):
        left = "[" if allow_low else "("
        right = "]" if allow_high and math.isfinite(high) else ")"
        raise ConfigurationError(
            f"{name} must be in {left}{low}, {high}{right}, got {value!r}"
        )


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Let only listed words pass.

    Args:
        name: What the word is called in the error.
        value: The word.
        choices: The legal words.

    Raises:
        ConfigurationError: If it is none of them.
    """
    if value not in choices:
        raise ConfigurationError(f"{name} must be one of {choices}, got {value!r}")


def check_mean(mean: Tensor, n_features: int, like: Tensor) -> Tensor:
    """Let only finite, non-empty mean sequences pass.

    Args:
        mean: Mean sequences, (B, T, A).
        n_features: The A they must have.
        like: A tensor of the optimizer; its type is taken on, its device demanded.

    Returns:
        The same sequences in the type of ``like``.

    Raises:
        ShapeError: If they are not (B, T, A) with at least one step.
        ConfigurationError: If they are not finite, or on another device.
    """
    if mean.ndim != 3 or mean.shape[1] < 1 or mean.shape[2] != n_features:
        raise ShapeError(
            f"mean must have shape (B, T, {n_features}) with T >= 1, "
            f"got {tuple(mean.shape)}"
        )
    return _check_finite("mean", mean, like)


def check_candidates(candidates: Tensor, mean: Tensor) -> Tensor:
    """Let only finite candidates pass that fit the mean sequences.

    Args:
        candidates: Candidate sequences, (B, E, T, A).
        mean: Mean sequences that were let in, (B, T, A).

    Returns:
        The same candidates in the type of ``mean``.

    Raises:
        ShapeError: If they are not (B, E, T, A).
        ConfigurationError: If they are not finite, or on another device.
    """
    n_instances, horizon, n_features = mean.shape
    expected = (n_instances, horizon, n_features)
    if candidates.ndim != 4 or (candidates.shape[0], *candidates.shape[2:]) != expected:
        raise ShapeError(
            f"candidates must have shape ({n_instances}, E, {horizon}, {n_features}), "
            f"got {tuple(candidates.shape)}"
        )
    return _check_finite("candidates", candidates, mean)


def check_generator(generator: torch.Generator | None, device: torch.device) -> None:
    """Let only a generator pass that can draw where the search runs.

    Args:
        generator: Source of randomness; ``None`` stands for torch's global one.
        device: Where the search runs.

    Raises:
        ConfigurationError: If it lives on another kind of device.
    """
    if generator is not None and generator.device.type != device.type:
        raise ConfigurationError(
            f"generator must be on {device.type}, got one on {generator.device}"
        )


def check_values(values: Tensor, candidates: Tensor) -> Tensor:
    """Let only values pass that say one number per candidate.

    Args:
        values: What the objective returned, (B, K).
        candidates: What it was handed, (B, K, T, A).

    Returns:
        The same values in the type of ``candidates``.

    Raises:
        ShapeError: If they are no tensor (B, K).
    """
    if not isinstance(values, Tensor) or values.shape != candidates.shape[:2]:
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values)
        raise ShapeError(
            f"the objective must return values of shape {tuple(candidates.shape[:2])} "
            f"for candidates of shape {tuple(candidates.shape)}, got {got}"
        )
    return values.to(candidates.dtype)


def _check_finite(name: str, sequences: Tensor, like: Tensor) -> Tensor:
    if sequences.device != like.device:
        raise ConfigurationError(
            f"{name} must be on {like.device}, got {sequences.device}"
        )
    if not sequences.isfinite().all():
        raise ConfigurationError(
            f"{name} must be finite, got "
            f"{int((~sequences.isfinite()).sum())} NaN or infinite numbers"
        )
    return sequences.to(like.dtype)
