"""Train, evaluate, write down: what all experiments have in common."""

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gin
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from tqdm import tqdm

from experiments.arguments import RunArguments
from experiments.environments import make_vector_env
from experiments.run_folder import RunFolder, command_line, versions
from layeredrl.collectors import (
    Collector,
    Episode,
    MetricsLog,
    RunCheckpoints,
    evaluate,
    summarize,
    wilson_interval,
)
from layeredrl.errors import LayeredRLError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import Level, RandomLevel
from layeredrl.utils.seeding import integer_seed, spawn

# Whose networks gin can configure, beside what is imported here anyway.
_CONFIGURABLE = (
    "layeredrl.nets.actor_critic",
    "layeredrl.nets.cnn",
    "layeredrl.nets.traj_encoders",
    "layeredrl.nets.tstep_encoders",
)
EXIT_ERROR, EXIT_INTERRUPTED = 1, 130


@dataclass(frozen=True)
class TrainedRun:
    """What a finished run hands to its pictures."""

    folder: RunFolder
    """Where it was written."""
    hierarchy: Hierarchy
    """The trained hierarchy."""
    eval_env: VectorEnv
    """Where it was evaluated."""
    eval_seed: int
    """Seed of the evaluation episodes."""
    result: dict[str, Any]
    """What ``result.json`` holds."""


def run_experiment(
    experiment: str,
    arguments: RunArguments,
    build_levels: Callable[[VectorEnv], Sequence[Level]],
    draw: Callable[[TrainedRun], None],
) -> TrainedRun:
    """Train a hierarchy, evaluate it by the protocol, and write the run folder.

    Args:
        experiment: Name of the experiment.
        arguments: Its arguments.
        build_levels: Describes the levels for a training environment.
        draw: Makes the figures once everything else is written.

    Returns:
        The run.
    """
    torch.set_num_threads(arguments.torch_threads)
    configure_gin(arguments.gin)
    env = make_vector_env(
        arguments.env_id,
        arguments.n_envs,
        arguments.parsed_train_env_kwargs(),
        restorable=True,
    )
    eval_env = make_vector_env(
        arguments.env_id, arguments.n_eval_envs, arguments.parsed_env_kwargs()
    )
    hierarchy_seed, train_seed, eval_seed, random_seed = (
        integer_seed(seed) for seed in spawn(arguments.seed, 4)
    )
    levels = build_levels(env)
    folder = RunFolder(experiment, arguments)
    hierarchy = Hierarchy(
        levels, env, device=arguments.device, seed=hierarchy_seed, writer=folder.writer
    )
    try:
        wall_s = train(arguments, hierarchy, env, eval_env, folder, train_seed)
        folder.write_gin()
        floor = Hierarchy([RandomLevel()], eval_env, seed=random_seed)
        agent = hierarchy.acting_copy(eval_env, eval_seed)
        n = arguments.n_eval_episodes
        random_episodes = evaluate_with_bar("random", floor, eval_env, n, eval_seed)
        episodes = evaluate_with_bar("evaluation", agent, eval_env, n, eval_seed)
        result = describe_result(
            arguments, hierarchy, wall_s, episodes, random_episodes
        )
        folder.write_json("result.json", result)
        run = TrainedRun(folder, hierarchy, eval_env, eval_seed, result)
        draw(run)
        return run
    finally:
        folder.close()
        env.close()
        eval_env.close()


def train(
    arguments: RunArguments,
    hierarchy: Hierarchy,
    env: VectorEnv,
    test_env: VectorEnv,
    folder: RunFolder,
    seed: int,
) -> float:
    """Collect and learn, from the start or the last checkpoint.

    Args:
        arguments: How long, and how often to test.
        hierarchy: Learns.
        env: Where experience is collected.
        test_env: Where periodic tests are run.
        folder: Where everything is written.
        seed: Seeds the environments.

    Returns:
        Wall-clock seconds over all sessions of the run, tests included.
    """
    log = MetricsLog(folder.metrics_path, folder.writer)
    checkpoints = RunCheckpoints(folder.path / "checkpoints")
    collector = Collector(
        hierarchy, env, test_env, metrics_log=log, checkpoints=checkpoints
    )
    try:
        if not (folder.is_resumed and collector.restore_checkpoint()):
            collector.reset(seed)
        left = arguments.total_env_steps - collector.n_env_steps
        if left > 0:
            collector.collect(
                left,
                test_interval=arguments.test_interval or None,
                n_test_episodes=arguments.n_test_episodes,
                log_interval=arguments.log_interval,
                checkpoint_interval=arguments.checkpoint_interval or None,
            )
            collector.save_checkpoint()
        hierarchy.save(folder.checkpoint_path("final"), with_buffers=False)
        return log.seconds
    finally:
        log.close()


def evaluate_with_bar(
    name: str, hierarchy: Hierarchy, env: VectorEnv, n_episodes: int, seed: int
) -> list[Episode]:
    """Evaluate with a progress bar.

    Args:
        name: Shown beside the bar.
        hierarchy: What to evaluate.
        env: Where.
        n_episodes: Number of episodes.
        seed: Seeds the environment.

    Returns:
        The episodes.
    """
    with tqdm(total=n_episodes, desc=name, unit="episode") as bar:
        return evaluate(
            hierarchy, env, n_episodes, seed, on_episode=lambda _: bar.update()
        )


def describe_result(
    arguments: RunArguments,
    hierarchy: Hierarchy,
    wall_s: float,
    episodes: list[Episode],
    random_episodes: list[Episode],
) -> dict[str, Any]:
    """Collect what ``result.json`` holds.

    Args:
        arguments: What was asked for.
        hierarchy: The trained hierarchy.
        wall_s: Seconds of training.
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
        "env_id": arguments.env_id,
        "env_steps": hierarchy.n_env_steps,
        "wall_s": round(wall_s, 1),
        "episodes": len(episodes),
        "success_any": own.get("success_any"),
        "success_last": own.get("success_last"),
        "success_ci95": interval,
        "return_mean": own["return_mean"],
        "return_std": float(returns.std()),
        "random_success_any": floor.get("success_any"),
        "random_success_last": floor.get("success_last"),
        "random_return_mean": floor["return_mean"],
        "seed": arguments.seed,
        "versions": versions(),
        "command": command_line(),
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
    return "\n".join(lines)


def _numbers(result: dict[str, Any], name: str) -> tuple[str, str]:
    return f"{result[name]:.2f}", f"{result[f'random_{name}']:.2f}"


def configure_gin(entries: Sequence[str]) -> None:
    """Apply gin files and bindings; earlier ones of the process are dropped.

    Args:
        entries: Paths that end in ``.gin``, or bindings.
    """
    gin.clear_config()
    files = [entry for entry in entries if entry.endswith(".gin")]
    bindings = [entry for entry in entries if not entry.endswith(".gin")]
    for module in _CONFIGURABLE:
        importlib.import_module(module)
    # Not finalised: modules that are imported later may bring configurables of their own.
    gin.parse_config_files_and_bindings(files, bindings, finalize_config=False)


def main(run: Callable[[], None]) -> None:
    """Run an experiment as a program: named errors are messages, not tracebacks.

    Args:
        run: The experiment.
    """
    try:
        run()
    except LayeredRLError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(EXIT_ERROR)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
