"""What a sweep tries for an argument: values in turn, or random ones."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.running.arguments import parse_value
from layeredrl.errors import ConfigurationError

GRID = "grid"
_DISTRIBUTIONS = ("choice", "uniform", "loguniform", "randint")  # Ray Tune's own
_ENTRY = re.compile(r"([A-Za-z_][\w.@/-]*)([=~])(.+)", re.S)
_CALL = re.compile(r"\s*(\w+)\((.*)\)\s*", re.S)
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True)
class Tried:
    """What is tried for one argument."""

    name: str
    """The argument, or ``argument.entry`` for one of its entries."""
    how: str
    """``grid`` for each value in turn, else a distribution of Ray Tune."""
    values: tuple[Any, ...]
    """Values as text, or the bounds of the distribution."""

    @property
    def is_random(self) -> bool:
        """Whether values are drawn."""
        return self.how != GRID

    def examples(self) -> list[str]:
        """List values to check before anything is started.

        Returns:
            All values, or the lower bound and one between the bounds.
        """
        if self.how in (GRID, "choice"):
            return list(self.values)
        low, high = self.values
        between = low if self.how == "randint" else low + (high - low) / 3
        return [as_text(low), as_text(between)]

    def domain(self, tune: Any) -> Any:
        """Describe it to Ray Tune.

        Args:
            tune: The package ``ray.tune``.

        Returns:
            What its search space holds for this argument.
        """
        if self.how == GRID:
            return tune.grid_search(list(self.values))
        if self.how == "choice":
            return tune.choice(list(self.values))
        return getattr(tune, self.how)(*self.values)


def parse_tried(entries: Sequence[str]) -> list[Tried]:
    """Read what is tried.

    Args:
        entries: ``NAME=VALUE,VALUE`` for values in turn; ``NAME~uniform(LOW,HIGH)``,
            ``loguniform``, ``randint`` (below HIGH) or ``choice(VALUE,VALUE)`` for random ones.
            Commas within brackets separate no values.

    Returns:
        One per argument.

    Raises:
        ConfigurationError: If there are none, one cannot be read, or an argument is there
            twice.
    """
    if not entries:
        raise ConfigurationError(
            "a sweep has to --try something, for example updates_per_env_step=0.5,1.0"
        )
    tried = [_parse(entry) for entry in entries]
    names = [each.name for each in tried]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(f"tried twice: {', '.join(twice)}")
    return tried


def as_text(value: Any) -> str:
    """Write a value as a command line has it.

    Args:
        value: Text or a number.

    Returns:
        Six digits of a fraction are enough to repeat it, and can be read.
    """
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _parse(entry: str) -> Tried:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise ConfigurationError(
            "what is tried is written NAME=VALUE,VALUE or NAME~uniform(LOW,HIGH), "
            f"got {entry!r}"
        )
    argument, dot, rest = found[1].partition(".")
    name = argument.replace("-", "_") + dot + rest
    if found[2] == "=":
        return Tried(name, GRID, _split(found[3]))
    call = _CALL.fullmatch(found[3])
    if call is None or call[1] not in _DISTRIBUTIONS:
        given = call[1] if call else found[3]
        near = difflib.get_close_matches(given, _DISTRIBUTIONS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {_DISTRIBUTIONS}"
        raise ConfigurationError(f"{name} has no distribution {given!r}; {hint}")
    values = _split(call[2])
    if call[1] == "choice":
        return Tried(name, call[1], values)
    return Tried(name, call[1], _bounds(entry, call[1], values))


def _bounds(entry: str, how: str, texts: Sequence[str]) -> tuple[float, ...]:
    kinds = (int,) if how == "randint" else (int, float)
    values = tuple(parse_value(text) for text in texts)
    if len(values) != 2 or not all(type(value) in kinds for value in values):
        raise ConfigurationError(
            f"{how} takes two {'whole ' if how == 'randint' else ''}numbers, got {entry!r}"
        )
    if values[0] >= values[1] or (how == "loguniform" and values[0] <= 0):
        raise ConfigurationError(
            f"{how} goes from a lower {'positive ' if how == 'loguniform' else ''}"
            f"number to a higher one, got {entry!r}"
        )
    return values if how == "randint" else tuple(float(value) for value in values)


def _split(text: str) -> tuple[str, ...]:
    """Split at commas outside of brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in _OPENING) - (sign in _CLOSING)
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    values = tuple(part.strip() for part in parts)
    if not all(values):
        raise ConfigurationError(f"a value is missing in {text!r}")
    if len(set(values)) < len(values):
        raise ConfigurationError(f"a value is there twice in {text!r}")
    return values
