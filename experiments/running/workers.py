"""Experience from workers, for experiments."""

from functools import partial
from typing import Any

import torch
from gymnasium.vector import VectorEnv

from experiments.running.arguments import RunArguments
from experiments.running.environments import make_vector_env
from experiments.running.gin_settings import configure_gin
from layeredrl.collectors.remote import RayWorkers, RemoteExperience
from layeredrl.hierarchies import Hierarchy


def remote_experience(
    arguments: RunArguments, hierarchy: Hierarchy
) -> tuple[RemoteExperience, RayWorkers]:
    """Describe workers that collect for a hierarchy.

    Args:
        arguments: How many workers, and where they act.
        hierarchy: Learns.

    Returns:
        Their experience, and the workers, which have to be closed.

    Raises:
        ConfigurationError: If there is not an environment instance for each worker.
        MissingExtraError: If Ray is not installed.
    """
    make_env = partial(
        make_worker_env,
        env_id=arguments.env_id,
        env_kwargs=arguments.parsed_train_env_kwargs(),
        gin=arguments.gin,
        torch_threads=arguments.torch_threads,
    )
    workers = RayWorkers(hierarchy, make_env, arguments.workers)
    return RemoteExperience(hierarchy, workers, arguments.round_steps), workers


def make_worker_env(
    n_instances: int,
    env_id: str,
    env_kwargs: dict[str, Any],
    gin: tuple[str, ...],
    torch_threads: int,
) -> VectorEnv:
    """Make a worker's process what the learner's is, and its environment.

    Args:
        n_instances: Environment instances.
        env_id: Registered id, or ``module:Env-v0``.
        env_kwargs: Keyword arguments of the environment.
        gin: Bindings or files for the networks.
        torch_threads: CPU threads of torch.

    Returns:
        The environment.
    """
    torch.set_num_threads(torch_threads)
    configure_gin(gin)
    return make_vector_env(env_id, n_instances, env_kwargs)
