"""Learners by name, with their options as text."""

import dataclasses
import difflib
from collections.abc import Sequence
from typing import Any, Literal

from experiments.arguments import parse_value
from experiments.backbones import backbones
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
        ConfigurationError: If it has no such field; names the nearest one.
    """
    kind: Any = LEARNERS[name]
    known = [field.name for field in dataclasses.fields(kind)]
    chosen = {}
    for option in options:
        key, sign, text = option.partition("=")
        if not sign or key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {known}"
            raise ConfigurationError(f"{name} has no option {option!r}{hint}")
        chosen[key] = _value(key, text)
    config: LearnerConfig = kind(**chosen)
    return config


def _value(key: str, text: str) -> Any:
    if key == "traj_encoder":
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
