"""Environments by name."""

import difflib
import importlib
from typing import Any

import gymnasium as gym
from farama_notifications import notifications
from gymnasium.vector import VectorEnv

from layeredrl.collectors import EpisodeReplay
from layeredrl.collectors.environment_state import Restorable
from layeredrl.doctor import install_command
from layeredrl.errors import ConfigurationError, LayeredRLError, MissingExtraError

# Imported for the environments they register, where they are installed.
_PACKAGES = ("layeredrl.envs", "gymnasium_robotics")


def make_vector_env(
    env_id: str,
    n_instances: int,
    env_kwargs: dict[str, Any],
    restorable: bool = False,
) -> VectorEnv:
    """Make a vector environment, stepped in this process.

    Args:
        env_id: Registered id, or ``module:Env-v0``.
        n_instances: Number of instances.
        env_kwargs: Keyword arguments of the environment.
        restorable: Whether its running episodes must be restorable, so that training in it
            can be resumed exactly.

    Returns:
        The environment; a native vector version if it has one.

    Raises:
        ConfigurationError: If there is no such environment, which names the nearest ones, or
            it cannot be made with these arguments.
        MissingExtraError: If a package that it needs is not installed.
    """
    missing = register_environments()
    module, _, env_id = env_id.rpartition(":")
    if module:
        _import(module)
    if env_id not in gym.registry:
        near = difflib.get_close_matches(env_id, gym.registry, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        if missing:
            hint += (
                f" Those of {', '.join(missing)} are missing; to install the robots: "
                f"{install_command('envs')}"
            )
        raise ConfigurationError(f"there is no environment {env_id!r}{hint}")
    try:
        if env_kwargs:  # some are only found wrong when an episode starts
            trial = _make(env_id, 1, env_kwargs, restorable=False)
            trial.reset(seed=0)
            trial.close()
        return _make(env_id, n_instances, env_kwargs, restorable)
    except LayeredRLError:
        raise
    except gym.error.DependencyNotInstalled as error:
        raise MissingExtraError(
            f"{env_id} needs a package that is not installed ({error}); to install the "
            f"robots: {install_command('envs')}"
        ) from error
    except Exception as error:
        if not (env_kwargs or isinstance(error, TypeError)):
            raise  # a defect of the environment, not of what was asked for
        raise ConfigurationError(
            f"{env_id} cannot be made with the arguments {env_kwargs} "
            f"({type(error).__name__}: {error})"
        ) from error


def _make(
    env_id: str, n_instances: int, env_kwargs: dict[str, Any], restorable: bool
) -> VectorEnv:
    spec = gym.spec(env_id)
    if spec.vector_entry_point is not None:
        env = gym.make_vec(
            env_id, n_instances, vectorization_mode="vector_entry_point", **env_kwargs
        )
        if not restorable or isinstance(env.unwrapped, Restorable):
            return env
        env.close()
    return gym.make_vec(
        env_id,
        n_instances,
        vectorization_mode="sync",
        wrappers=[EpisodeReplay] if restorable else None,
        **env_kwargs,
    )


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"cannot import {module!r}, which is to bring the environment: {error}"
        ) from error


def register_environments() -> list[str]:
    """Register what the installed packages offer.

    Returns:
        Packages that are not installed.
    """
    missing = []
    # At every start the robots tell, before all else, that rewards of Adroit hands changed.
    notifications.pop("gymnasium_robotics", None)
    for name in _PACKAGES:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith(name.split(".")[0]):
                raise
            missing.append(name)
            continue
        gym.register_envs(module)
    return missing
