"""The state of vector environments, where they offer one."""

import logging
from typing import Any, Protocol, runtime_checkable

import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv, VectorWrapper
from gymnasium.wrappers.vector import NormalizeObservation, NormalizeReward

from layeredrl.collectors.episode_replay import EpisodeReplay
from layeredrl.errors import CheckpointError

logger = logging.getLogger(__name__)

_WITH_STATE = (NormalizeObservation, NormalizeReward)


@runtime_checkable
class Restorable(Protocol):
    """A vector environment that can be saved as a whole."""

    def get_state(self) -> dict[str, Any]:
        """Copy everything that decides what happens next."""
        ...

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`get_state` returned."""
        ...


def environment_state(env: VectorEnv) -> dict[str, Any] | None:
    """Copy the state of all instances.

    Args:
        env: A vector environment: one that is restorable itself, or instances wrapped in
            :class:`EpisodeReplay` and stepped in this process.

    Returns:
        Arrays and plain values; ``None`` if the environment offers no way.
    """
    base = env.unwrapped
    if isinstance(base, Restorable):
        return {"whole": base.get_state()}
    instances = _replays(base)
    if instances is None:
        return None
    return {"instances": [instance.get_state() for instance in instances]}


def restore_environment(
    env: VectorEnv, state: dict[str, Any] | None, over: np.ndarray
) -> bool:
    """Bring all instances back.

    Args:
        env: Like the environment that was saved.
        state: What :func:`environment_state` returned.
        over: Which instances await their reset, (B,) bool.

    Returns:
        Whether it was possible; if not, that is logged as a warning, and the environment
        has to be reset.
    """
    base = env.unwrapped
    unsaved = _wrappers_with_state(env)
    if unsaved:
        logger.warning("the state of %s is not saved and begins anew", unsaved)
    try:
        if state is not None and "whole" in state and isinstance(base, Restorable):
            env.reset()
            base.set_state(state["whole"])
            return True
        instances = _replays(base)
        if state is not None and "instances" in state and instances is not None:
            env.reset()
            for instance, saved in zip(instances, state["instances"], strict=True):
                instance.set_state(saved)
            # Gymnasium keeps to itself who is to be reset at the next step.
            base._autoreset_envs = over.copy()  # type: ignore[attr-defined]
            return True
        reason = "it offers no way to restore it"
    except CheckpointError as error:
        reason = str(error)
    logger.warning("new episodes begin in %s: %s", env, reason)
    return False


def _wrappers_with_state(env: VectorEnv) -> list[str]:
    """Name what lies around the instances and changes, or might."""
    found = []
    while isinstance(env, VectorWrapper):
        is_known = type(env).__module__.startswith("gymnasium.")
        if not is_known or isinstance(env, _WITH_STATE):
            found.append(type(env).__name__)
        env = env.env
    return found


def _replays(base: VectorEnv) -> list[EpisodeReplay] | None:
    if not isinstance(base, SyncVectorEnv):
        return None
    instances = [env for env in base.envs if isinstance(env, EpisodeReplay)]
    return instances if len(instances) == base.num_envs else None
