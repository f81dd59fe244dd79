"""Learners by name, with their options as text."""

import dataclasses
import difflib
import types
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from experiments.builders.backbones import backbones
from experiments.running.arguments import parse_value
from layeredrl.errors import ConfigurationError
from layeredrl.learners import (
    A2CConfig,
    DDPGConfig,
    DiscreteSACConfig,
    DQNConfig,
    LearnerConfig,
    PPOConfig,
    REDQConfig,
    SACConfig,
    SequenceActorCriticConfig,
    TD3Config,
    TDMPC2Config,
)
from layeredrl.utils.schedules import LinearSchedule

LearnerName = Literal[
    "sac",
    "td3",
    "ddpg",
    "redq",
    "discrete-sac",
    "dqn",
    "ppo",
    "a2c",
    "tdmpc2",
    "sequence",
]
LEARNERS: dict[LearnerName, type[LearnerConfig]] = {
    "sac": SACConfig,
    "td3": TD3Config,
    "ddpg": DDPGConfig,
    "redq": REDQConfig,
    "discrete-sac": DiscreteSACConfig,
    "dqn": DQNConfig,
    "ppo": PPOConfig,
    "a2c": A2CConfig,
    "tdmpc2": TDMPC2Config,
    "sequence": SequenceActorCriticConfig,
}
BACKBONES = backbones(width=64)
_BY_NAME = ("traj_encoder",)


def choose_learner(name: LearnerName, options: Sequence[str]) -> LearnerConfig:
    """Describe a learner.

    Args:
        name: Which one.
        options: Fields of its configuration as ``name=value``, values as in Python. A
            value ``a -> b in n`` is a number that goes from a to b within n decisions;
            ``traj_encoder`` takes the names of ``BACKBONES``.

    Returns:
        Its configuration.

    Raises:
        ConfigurationError: If it has no such field; names the nearest one. Or if the value
            is of another kind.
    """
    kind: Any = LEARNERS[name]
    hints = get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]
    chosen = {}
    for option in options:
        key, sign, text = option.partition("=")
        if not sign or key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {known}"
            raise ConfigurationError(f"{name} has no option {option!r}{hint}")
        chosen[key] = _value(key, text)
        if key not in _BY_NAME and not _fits(chosen[key], hints[key]):
            raise ConfigurationError(
                f"{key} of {name} is {_words(hints[key])}, got {text!r}"
            )
    config: LearnerConfig = kind(**chosen)
    return config


def _value(key: str, text: str) -> Any:
    if key in _BY_NAME:
        if text not in BACKBONES:
            raise ConfigurationError(
                f"there is no traj_encoder {text!r}; there are {sorted(BACKBONES)}"
            )
        return BACKBONES[text]
    start, arrow, rest = text.partition("->")
    if not arrow:
        return parse_value(text)
    end, _, duration = rest.partition(" in ")
    try:
        return LinearSchedule(float(start), float(end), int(duration))
    except ValueError:
        return text


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is what a field is written down as; a whole number is a float, too."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is tuple:
        if not isinstance(value, tuple | list):
            return False
        kinds = parts[:1] * len(value) if Ellipsis in parts else parts
        return len(value) == len(kinds) and all(map(_fits, value, kinds))
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    accepted = (int, float) if hint is float else hint
    return isinstance(accepted, type | tuple) and isinstance(value, accepted)


def _words(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
