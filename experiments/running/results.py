"""What a run comes to: the content of ``result.json``, and its table."""

from typing import Any, NamedTuple

import numpy as np

from experiments.running.arguments import RunArguments
from experiments.running.command_line import command_line
from experiments.running.run_folder import versions
from layeredrl.collectors import Episode, summarize, wilson_interval
from layeredrl.hierarchies import Hierarchy


class TimeCosts(NamedTuple):
    """What training took, over all sessions of a run.

    Attributes:
        wall_s: Wall-clock seconds.
        parts: What is known of their parts [s].
    """

    wall_s: float
    parts: dict[str, float]


def describe_result(
    arguments: RunArguments,
    hierarchy: Hierarchy,
    costs: TimeCosts,
    episodes: list[Episode],
    random_episodes: list[Episode],
) -> dict[str, Any]:
    """Collect what ``result.json`` holds.

    Args:
        arguments: What was asked for.
        hierarchy: The trained hierarchy.
        costs: What training took.
        episodes: Evaluation episodes.
        random_episodes: Those of the random policy.

    Returns:
        Plain values; success entries are ``None`` where the environment has none.
    """
    return {
        "env_id": arguments.env_id,
        "env_steps": hierarchy.n_env_steps,
        "wall_s": round(costs.wall_s, 1),
        "seconds": {part: round(s, 1) for part, s in costs.parts.items()},
        **measured(episodes, random_episodes),
        "seed": arguments.seed,
        "versions": versions(),
        "command": command_line(),
    }


def measured(episodes: list[Episode], random_episodes: list[Episode]) -> dict[str, Any]:
    """Summarize episodes beside those of the random policy.

    Args:
        episodes: Evaluation episodes.
        random_episodes: Those of the random policy.

    Returns:
        Plain values; success entries are ``None`` where the environment has none.
    """
    own, floor = summarize(episodes), summarize(random_episodes)
    interval = None
    if "success_last" in own:
        successes = sum(bool(e.success_last) for e in episodes)
        interval = list(wilson_interval(successes, len(episodes)))
    returns = np.array([e.ret for e in episodes])
    return {
        "episodes": len(episodes),
        "success_any": own.get("success_any"),
        "success_last": own.get("success_last"),
        "success_ci95": interval,
        "return_mean": own["return_mean"],
        "return_std": float(returns.std()),
        "random_success_any": floor.get("success_any"),
        "random_success_last": floor.get("success_last"),
        "random_return_mean": floor["return_mean"],
    }


def result_table(result: dict[str, Any]) -> str:
    """Lay the result out beside the random floor.

    Args:
        result: What :func:`describe_result` returned.

    Returns:
        A text table.
    """
    rows = [("", "agent", "random")]
    rows.append(("mean return", *_numbers(result, "return_mean")))
    if result["success_last"] is not None:
        rows.append(("success, last step", *_numbers(result, "success_last")))
        rows.append(("success, any step", *_numbers(result, "success_any")))
        low, high = result["success_ci95"]
        rows.append(("  95 % interval, last step", f"{low:.2f} .. {high:.2f}", ""))
    width = max(len(row[0]) for row in rows) + 2
    lines = [f"{a:<{width}}{b:>14}{c:>14}" for a, b, c in rows]
    steps, seconds = result["env_steps"], result["wall_s"]
    lines.append(f"{result['episodes']} held-out episodes, seed {result['seed']}")
    lines.append(f"{steps} environment steps of training in {seconds:.0f} s")
    if parts := result.get("seconds"):
        told = ", ".join(f"{part} {s:.0f} s" for part, s in parts.items())
        lines.append(f"  of these {told}")
    return "\n".join(lines)


def _numbers(result: dict[str, Any], name: str) -> tuple[str, str]:
    return f"{result[name]:.2f}", f"{result[f'random_{name}']:.2f}"
