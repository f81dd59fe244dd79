"""Evaluate a finished run or a checkpoint on held-out episodes, beside random actions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.figures import animate_episode
from experiments.reports.statistics import estimate
from experiments.running.command_line import read_command_line
from experiments.running.evaluation import evaluate_with_bar
from experiments.running.results import measured
from experiments.running.run_folder import write_bytes, write_json
from experiments.running.training import main
from experiments.trained.revisiting import RevisitArguments, revisit
from layeredrl.collectors import Episode, wilson_interval
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import RandomLevel


@dataclass(frozen=True)
class EvaluateArguments(RevisitArguments):
    """What to evaluate, and how thoroughly."""

    gif: bool = False
    """Whether an episode is animated beside the JSON file: the plan at every moment, or what
    the environment shows with ``render_mode='rgb_array'``, or both."""


def evaluate_trained(arguments: EvaluateArguments) -> dict[str, Any]:
    """Evaluate, and write the result down.

    Args:
        arguments: What to evaluate.

    Returns:
        What the JSON file holds.

    Raises:
        RunFolderError: If there is no checkpoint, or the file would replace something else.
        CheckpointError: If the checkpoint is foreign or does not fit.
        ConfigurationError: If the environment is not known, or there is nothing to animate.
    """
    with revisit("evaluation", arguments) as found:
        env, seed = found.env, found.eval_seed
        floor = Hierarchy([RandomLevel()], env, seed=found.random_seed)
        n = arguments.episodes
        random_episodes = evaluate_with_bar("random", floor, env, n, seed)
        episodes = evaluate_with_bar("evaluation", found.agent, env, n, seed)
        animation = b""
        if arguments.gif:
            title = f"{found.run.env_id}: the plan at every moment"
            animation = animate_episode(found.agent, env, seed, title)
    result = {
        **found.description(),
        **measured(episodes, random_episodes),
        **_further(episodes, random_episodes),
    }
    write_json(found.output, result)
    told = {"output": str(found.output)}
    if animation:
        told["gif"] = str(found.output.with_suffix(".gif"))
        write_bytes(Path(told["gif"]), animation)
    return result | told


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
    arguments = read_command_line(EvaluateArguments, __doc__)
    result = evaluate_trained(arguments)
    print(f"\n{result['env_id']}\n{table_of(result)}\n")
    print(f"evaluation      {result['output']}")
    if "gif" in result:
        print(f"animation       {result['gif']}")


if __name__ == "__main__":
    main(run)
