"""Evaluate a finished run or a checkpoint on held-out episodes, beside random actions."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro

from experiments.arguments import RunArguments
from experiments.environments import make_vector_env
from experiments.past_runs import read_json
from experiments.rebuilding import Trained, find_trained, load_agent
from experiments.results import measured
from experiments.run_folder import command_line, versions, write_json
from experiments.statistics import estimate
from experiments.training import configure_gin, evaluate_with_bar, main
from layeredrl.collectors import Episode, wilson_interval
from layeredrl.errors import ConfigurationError, RunFolderError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import RandomLevel
from layeredrl.utils.seeding import integer_seed, spawn

_KIND = "evaluation"


@dataclass(frozen=True)
class EvaluateArguments:
    """What to evaluate, and how thoroughly."""

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
    """The JSON file; by default ``evaluation-<checkpoint>-seed<k>.json`` in the run folder, or
    beside the checkpoint."""
    device: str = "cpu"
    """Where networks live, for example ``cuda``."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if self.episodes < 1 or (self.n_envs is not None and self.n_envs < 1):
            raise ConfigurationError(
                "episodes and n_envs must be at least 1, got "
                f"{self.episodes} and {self.n_envs}"
            )


def evaluate_trained(arguments: EvaluateArguments) -> dict[str, Any]:
    """Evaluate, and write the result down.

    Args:
        arguments: What to evaluate.

    Returns:
        What the JSON file holds.

    Raises:
        RunFolderError: If there is no checkpoint, or the file would replace something else.
        CheckpointError: If the checkpoint is foreign or does not fit.
        ConfigurationError: If the environment is not known.
    """
    trained = find_trained(arguments.place, arguments.experiment)
    run = _with_changes(arguments, trained)
    output = _output(arguments, trained, run.seed)
    torch.set_num_threads(run.torch_threads)
    configure_gin(run.gin)
    env = make_vector_env(run.env_id, run.n_eval_envs, run.parsed_env_kwargs())
    try:
        # As in a run, so that its own evaluation can be repeated.
        _, _, eval_seed, random_seed = (integer_seed(s) for s in spawn(run.seed, 4))
        agent, env_steps = load_agent(
            trained, env, arguments.device, eval_seed, arguments.trusted
        )
        floor = Hierarchy([RandomLevel()], env, seed=random_seed)
        n = arguments.episodes
        random_episodes = evaluate_with_bar("random", floor, env, n, eval_seed)
        episodes = evaluate_with_bar("evaluation", agent, env, n, eval_seed)
    finally:
        env.close()
    result = {
        "kind": _KIND,
        "checkpoint": str(trained.checkpoint),
        "experiment": trained.experiment,
        "env_id": run.env_id,
        "env_kwargs": list(run.env_kwargs),
        "env_steps": env_steps,
        **measured(episodes, random_episodes),
        **_further(episodes, random_episodes),
        "seed": run.seed,
        "versions": versions(),
        "command": command_line(),
    }
    write_json(output, result)
    return result | {"output": str(output)}


def table_of(result: dict[str, Any]) -> str:
    """Lay an evaluation out beside the random floor.

    Args:
        result: What :func:`evaluate_trained` returned.

    Returns:
        A text table.
    """
    rows = [("", "agent", "95 % interval", "random")]
    names = {
        "return_mean": "mean return",
        "length_mean": "mean length",
        "success_last": "success, last step",
        "success_any": "success, any step",
    }
    intervals = {"success_last": "success_ci95"}
    for name, words in names.items():
        if result[name] is None:
            continue
        bounds = result[intervals.get(name, f"{name.removesuffix('_mean')}_ci95")]
        shown = "" if bounds is None else f"{bounds[0]:.2f} .. {bounds[1]:.2f}"
        floor = result[f"random_{name}"]
        rows.append((words, f"{result[name]:.2f}", shown, f"{floor:.2f}"))
    lines = [f"{a:<20}{b:>12}{c:>22}{d:>12}" for a, b, c, d in rows]
    lines.append(f"{result['episodes']} held-out episodes, seed {result['seed']}")
    lines.append(f"{result['env_steps']} environment steps of training")
    return "\n".join(lines)


def _with_changes(arguments: EvaluateArguments, trained: Trained) -> RunArguments:
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


def _output(arguments: EvaluateArguments, trained: Trained, seed: int) -> Path:
    """Name the file; only an older evaluation is ever replaced."""
    name = f"{_KIND}-{trained.checkpoint.stem}-seed{seed}.json"
    path = arguments.output or (trained.folder or trained.checkpoint.parent) / name
    if path.exists():
        is_older = path.is_file() and _is_evaluation(path)
        if not is_older:
            raise RunFolderError(
                f"{path} is no evaluation and is not overwritten; --output names another"
            )
    if not path.parent.is_dir():
        raise RunFolderError(
            f"there is no folder {path.parent} to write {path.name} to"
        )
    return path


def _is_evaluation(path: Path) -> bool:
    try:
        return read_json(path).get("kind") == _KIND
    except RunFolderError:
        return False


def _further(episodes: list[Episode], random_episodes: list[Episode]) -> dict[str, Any]:
    """Intervals over episodes, and their lengths."""
    lengths = np.array([e.length for e in episodes], dtype=float)
    returns = np.array([e.ret for e in episodes])
    successes = sum(bool(e.success_any) for e in episodes)
    knows_success = any(e.success_any is not None for e in episodes)
    return {
        "success_any_ci95": (
            list(wilson_interval(successes, len(episodes))) if knows_success else None
        ),
        "return_ci95": estimate(returns, np.mean).interval,
        "length_mean": float(lengths.mean()),
        "length_std": float(lengths.std()),
        "length_ci95": estimate(lengths, np.mean).interval,
        "random_length_mean": float(np.mean([e.length for e in random_episodes])),
    }


def run() -> None:
    """Read the command line, evaluate, and print the table."""
    arguments = tyro.cli(EvaluateArguments, description=__doc__)
    result = evaluate_trained(arguments)
    print(f"\n{result['env_id']}\n{table_of(result)}\n")
    print(f"evaluation      {result['output']}")


if __name__ == "__main__":
    main(run)
