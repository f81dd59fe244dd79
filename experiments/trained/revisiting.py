"""Going back to a trained agent: what programs share that look at finished runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from gymnasium.vector import VectorEnv

from experiments.running.arguments import RunArguments
from experiments.running.command_line import command_line
from experiments.running.environments import make_vector_env
from experiments.running.gin_settings import configure_gin, gin_is_named
from experiments.running.past_runs import read_json
from experiments.running.run_folder import versions
from experiments.trained.rebuilding import Trained, find_trained, load_agent
from layeredrl.errors import ConfigurationError, RunFolderError
from layeredrl.hierarchies import Hierarchy
from layeredrl.utils.seeding import integer_seed, spawn


@dataclass(frozen=True)
class RevisitArguments:
    """Which agent, and on which episodes."""

    place: Annotated[Path, tyro.conf.Positional]
    """A run folder, whose final checkpoint is taken, or a checkpoint."""
    episodes: int = 100
    """Held-out episodes."""
    seed: int | None = None
    """Root of the episodes' randomness; by default that of the run, which gives the episodes
    of its own evaluation."""
    n_envs: int | None = None
    """Environment instances; by default as many as in the run's evaluation."""
    env_id: str | None = None
    """The environment; by default the run's. A checkpoint without run folder needs it."""
    env_kwargs: tuple[str, ...] | None = None
    """Keyword arguments of the environment as ``name=value``; by default the run's."""
    gin: tuple[str, ...] | None = None
    """gin bindings or files; by default the run's."""
    experiment: str | None = None
    """Which experiment the run is of, for checkpoints that do not rebuild themselves; by
    default it is looked up."""
    trusted: tuple[str, ...] = ()
    """Packages beside ours from which a checkpoint may name classes and functions."""
    output: Path | None = None
    """The JSON file; by default ``<what it is>-<checkpoint>-seed<k>.json`` in the run folder,
    or beside the checkpoint."""
    device: str = "cpu"
    """Where networks live, for example ``cuda``."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if self.episodes < 1 or (self.n_envs is not None and self.n_envs < 1):
            raise ConfigurationError(
                "episodes and n_envs must be at least 1, got "
                f"{self.episodes} and {self.n_envs}"
            )


@dataclass(frozen=True)
class Revisited:
    """A trained agent, ready to act."""

    kind: str
    """What is to be found out about it."""
    trained: Trained
    """Where it comes from."""
    run: RunArguments
    """Arguments of its run, with what was asked for instead."""
    env: VectorEnv
    """Where it acts."""
    agent: Hierarchy
    """The agent."""
    env_steps: int
    """Environment steps of its training."""
    eval_seed: int
    """Seed of the episodes, as in the run's own evaluation."""
    random_seed: int
    """Seed of random actions beside it, likewise."""
    output: Path
    """The JSON file to write."""

    def description(self) -> dict[str, Any]:
        """Say what was looked at, for the JSON file.

        Returns:
            Plain values.
        """
        return {
            "kind": self.kind,
            "checkpoint": str(self.trained.checkpoint),
            "experiment": self.trained.experiment,
            "env_id": self.run.env_id,
            "env_kwargs": list(self.run.env_kwargs),
            "env_steps": self.env_steps,
            "seed": self.run.seed,
            "versions": versions(),
            "command": command_line(),
        }


@contextmanager
def revisit(kind: str, arguments: RevisitArguments) -> Iterator[Revisited]:
    """Load an agent, and make its environment, which is closed in the end.

    Args:
        kind: What is to be found out; the JSON file begins with it.
        arguments: Which agent, and on which episodes.

    Yields:
        The agent.

    Raises:
        RunFolderError: If there is no checkpoint, or the file would replace something else.
        CheckpointError: If the checkpoint is foreign or does not fit.
        ConfigurationError: If the environment is not known.
    """
    trained = find_trained(arguments.place, arguments.experiment)
    run = _with_changes(arguments, trained)
    output = _output(kind, arguments, trained, run.seed)
    torch.set_num_threads(run.torch_threads)
    configure_gin(run.gin)
    env = make_vector_env(run.env_id, run.n_eval_envs, run.parsed_env_kwargs())
    try:
        # As in a run, so that its own evaluation can be repeated.
        _, _, eval_seed, random_seed = (integer_seed(s) for s in spawn(run.seed, 4))
        with gin_is_named():
            agent, env_steps = load_agent(
                trained, env, arguments.device, eval_seed, arguments.trusted
            )
        yield Revisited(
            kind, trained, run, env, agent, env_steps, eval_seed, random_seed, output
        )
    finally:
        env.close()


def _with_changes(arguments: RevisitArguments, trained: Trained) -> RunArguments:
    if trained.folder is None and arguments.env_id is None:
        raise ConfigurationError(
            f"{trained.checkpoint} lies in no run folder, so its environment is not known: "
            "--env-id names it"
        )
    chosen = {
        "seed": arguments.seed,
        "env_id": arguments.env_id,
        "env_kwargs": arguments.env_kwargs,
        "n_eval_envs": arguments.n_envs,
        "gin": arguments.gin,
    }
    given: dict[str, Any] = {
        name: value for name, value in chosen.items() if value is not None
    }
    if "env_id" in given:  # another environment's arguments are not its own
        given.setdefault("env_kwargs", ())
    return replace(trained.shared(), **given)


def _output(
    kind: str, arguments: RevisitArguments, trained: Trained, seed: int
) -> Path:
    """Name the file; only an older one of its kind is ever replaced."""
    name = f"{kind}-{trained.checkpoint.stem}-seed{seed}.json"
    path = arguments.output or (trained.folder or trained.checkpoint.parent) / name
    if path.exists() and not (path.is_file() and _is_of_kind(kind, path)):
        raise RunFolderError(
            f"{path} is no {kind} and is not overwritten; --output names another"
        )
    if not path.parent.is_dir():
        raise RunFolderError(
            f"there is no folder {path.parent} to write {path.name} to"
        )
    return path


def _is_of_kind(kind: str, path: Path) -> bool:
    try:
        return read_json(path).get("kind") == kind
    except RunFolderError:
        return False
