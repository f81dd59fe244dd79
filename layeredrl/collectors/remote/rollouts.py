"""What happened in a stretch of environment steps, and its parts put together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from layeredrl.collectors.env_stepper import Step
from layeredrl.levels import ForwardedDecisions


class ForwardedStep(NamedTuple):
    """An environment step of some instances, and what it left behind.

    Attributes:
        step: What happened, without observations.
        forwarded: What each level stores of it; ``None`` for levels that store nothing.
    """

    step: Step
    forwarded: list[ForwardedDecisions | None]


Rollout = list[ForwardedStep]


def merge_rollouts(rollouts: Sequence[Rollout]) -> Rollout:
    """Put together what workers did at the same time.

    Args:
        rollouts: Of equal length, in the order of their instances.

    Returns:
        The same as if one worker had had all instances.
    """
    sizes = [len(rollout[0].step.taken) for rollout in rollouts]
    firsts = np.cumsum([0, *sizes[:-1]])
    return [_merge_step(parts, firsts) for parts in zip(*rollouts, strict=True)]


def _merge_step(parts: Sequence[ForwardedStep], firsts: np.ndarray) -> ForwardedStep:
    levels = zip(*(part.forwarded for part in parts), strict=True)
    forwarded = [_merge_level(level, firsts) for level in levels]
    return ForwardedStep(_merge_outcomes([part.step for part in parts]), forwarded)


def _merge_level(
    parts: Sequence[ForwardedDecisions | None], firsts: np.ndarray
) -> ForwardedDecisions | None:
    shifted = [
        part.shifted(int(first))
        for part, first in zip(parts, firsts, strict=True)
        if part is not None
    ]
    return ForwardedDecisions.merged(shifted) if shifted else None


def _merge_outcomes(steps: Sequence[Step]) -> Step:
    success = None
    if any(step.success is not None for step in steps):
        unknown = [np.zeros_like(step.taken) for step in steps]
        known = [step.success for step in steps]
        success = np.concatenate(
            [b if a is None else a for a, b in zip(known, unknown, strict=True)]
        )
    return Step(
        next_obs=None,
        reward=np.concatenate([step.reward for step in steps]),
        terminated=np.concatenate([step.terminated for step in steps]),
        truncated=np.concatenate([step.truncated for step in steps]),
        success=success,
        taken=np.concatenate([step.taken for step in steps]),
    )
