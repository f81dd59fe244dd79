"""What every experiment takes on its command line."""

import ast
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from layeredrl.errors import ConfigurationError

EngineName = Literal["local", "ray"]


@dataclass(frozen=True)
class LaunchArguments:
    """How many runs a program starts."""

    seeds: tuple[int, ...] = ()
    """Seeds of several runs, side by side on the cores that there are, in place of ``--seed``.
    A ``--run-dir`` then holds a folder ``seed<k>`` for each."""
    at_once: int | None = None
    """How many of them at once; by default cores / torch threads."""
    engine: EngineName = "local"
    """What starts processes: ``ray`` makes each of several seeds a task of Ray, or lets
    ``--workers`` collect for a single one."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigurationError(f"a seed is there twice: {list(self.seeds)}")
        if self.at_once is not None and self.at_once < 1:
            raise ConfigurationError(f"at_once must be at least 1, got {self.at_once}")


@dataclass(frozen=True)
class RunArguments:
    """Arguments that all experiments share."""

    env_id: str = "FetchReachDense-v4"
    """Any registered Gymnasium id; ``module:Env-v0`` imports the module first."""
    env_kwargs: tuple[str, ...] = ()
    """Keyword arguments of the environment as ``name=value``, values as in Python."""
    train_env_kwargs: tuple[str, ...] = ()
    """Further ones, or others, of the training environment alone. Shorter episodes show more
    goals: ``max_episode_steps=60``."""
    seed: int = 0
    """Root of all randomness."""
    n_envs: int = 8
    """Environment instances that collect experience."""
    total_env_steps: int = 5000
    """Environment steps of training, over all instances."""
    device: str = "cpu"
    """Where networks live, for example ``cuda``."""
    run_dir: Path | None = None
    """Run folder; by default runs/<experiment>/<env>/seed<k>."""
    overwrite: bool = False
    """Whether a run folder that holds a run is emptied first."""
    resume: bool = False
    """Whether the run in the run folder goes on from its last checkpoint."""
    force: bool = False
    """Whether a resumed run may have other values of harmless arguments."""
    checkpoint_interval: int = 1000
    """Environment steps between checkpoints; 0 for none but the one at Ctrl-C."""
    log_interval: int = 200
    """Environment steps between two entries in the log."""
    gin: tuple[str, ...] = ()
    """gin bindings or files, for example ``ProbFCDynamics.hidden_sizes=(256,256)``."""
    test_interval: int = 1000
    """Environment steps between periodic tests; 0 for none."""
    n_test_episodes: int = 20
    """Episodes per periodic test."""
    n_eval_episodes: int = 100
    """Held-out episodes of the final evaluation."""
    n_eval_envs: int = 20
    """Environment instances of tests and of the evaluation."""
    workers: int = 0
    """Processes that collect experience, with ``--engine ray``; they share the instances out
    among them. 0 collects where it is learned."""
    round_steps: int = 50
    """Steps of all instances that workers take before they are sent new weights."""
    torch_threads: int = 1
    """CPU threads of torch; small networks are fastest with one."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        counts = {
            "n_envs": self.n_envs,
            "total_env_steps": self.total_env_steps,
            "n_test_episodes": self.n_test_episodes,
            "n_eval_episodes": self.n_eval_episodes,
            "n_eval_envs": self.n_eval_envs,
            "torch_threads": self.torch_threads,
            "log_interval": self.log_interval,
            "round_steps": self.round_steps,
        }
        wrong = {name: value for name, value in counts.items() if value < 1}
        if wrong:
            raise ConfigurationError(f"these must be at least 1: {wrong}")
        intervals = (self.test_interval, self.checkpoint_interval)
        if min(intervals) < 0:
            raise ConfigurationError(
                "test_interval and checkpoint_interval must not be negative, got "
                f"{intervals}"
            )
        if not 0 <= self.workers <= self.n_envs:
            raise ConfigurationError(
                "each worker needs an environment instance of its own, got "
                f"{self.workers} workers for {self.n_envs} instances"
            )
        if self.resume and self.overwrite:
            raise ConfigurationError("a run is either resumed or overwritten")

    def parsed_env_kwargs(self) -> dict[str, Any]:
        """Read the keyword arguments of the environment for tests and evaluation.

        Returns:
            Values by name; what is no Python literal stays a string.

        Raises:
            ConfigurationError: If an entry has no ``=``.
        """
        return _parse_assignments(self.env_kwargs)

    def parsed_train_env_kwargs(self) -> dict[str, Any]:
        """Read the keyword arguments of the training environment.

        Returns:
            As :meth:`parsed_env_kwargs`.

        Raises:
            ConfigurationError: If an entry has no ``=``.
        """
        return _parse_assignments(self.env_kwargs + self.train_env_kwargs)


def _parse_assignments(entries: Sequence[str]) -> dict[str, Any]:
    """Read ``name=value``; later ones replace earlier ones."""
    parsed = {}
    for entry in entries:
        name, sign, value = entry.partition("=")
        if not sign:
            raise ConfigurationError(
                f"environment arguments are written name=value, got {entry!r}"
            )
        parsed[name] = parse_value(value)
    return parsed


def parse_value(text: str) -> Any:
    """Read a value as in Python.

    Args:
        text: The value.

    Returns:
        What it stands for; what is no Python literal stays a string.
    """
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def as_plain(arguments: RunArguments) -> dict[str, Any]:
    """Write arguments down for ``args.json``.

    Args:
        arguments: The arguments.

    Returns:
        Plain values by name.
    """
    return {
        field.name: _plain(getattr(arguments, field.name))
        for field in dataclasses.fields(arguments)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
