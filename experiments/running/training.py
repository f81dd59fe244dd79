"""Train, evaluate, write down: what all experiments have in common."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from gymnasium.vector import VectorEnv

from experiments.running.arguments import RunArguments
from experiments.running.command_line import python_command
from experiments.running.environments import make_vector_env
from experiments.running.evaluation import evaluate_with_bar
from experiments.running.gin_settings import configure_gin, gin_is_named, unused_gin
from experiments.running.hyperparameters import write_hyperparameters
from experiments.running.results import TimeCosts, describe_result, result_table
from experiments.running.run_folder import RunFolder
from experiments.running.workers import remote_experience
from layeredrl.collectors import (
    Collector,
    Experience,
    MetricsLog,
    RunCheckpoints,
)
from layeredrl.errors import LayeredRLError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import Level, RandomLevel
from layeredrl.utils.seeding import integer_seed, spawn

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
    with gin_is_named():
        levels = build_levels(env)
        hierarchy = Hierarchy(levels, env, device=arguments.device, seed=hierarchy_seed)
    for name in unused_gin():
        print(f"gin's {name} is not used by this run", file=sys.stderr)
    folder = RunFolder(experiment, arguments)  # not before all is known to fit
    try:
        costs = train(arguments, hierarchy, env, eval_env, folder, train_seed)
        folder.write_gin()
        floor = Hierarchy([RandomLevel()], eval_env, seed=random_seed)
        agent = hierarchy.acting_copy(eval_env, eval_seed)
        n = arguments.n_eval_episodes
        random_episodes = evaluate_with_bar("random", floor, eval_env, n, eval_seed)
        episodes = evaluate_with_bar("evaluation", agent, eval_env, n, eval_seed)
        result = describe_result(arguments, hierarchy, costs, episodes, random_episodes)
        folder.write_json("result.json", result)
        write_hyperparameters(folder.writer, folder.told, result)
        run = TrainedRun(folder, hierarchy, eval_env, eval_seed, result)
        draw(run)
        return run
    except KeyboardInterrupt:
        print(how_to_go_on(arguments, folder), file=sys.stderr)
        raise
    finally:
        folder.close()
        env.close()
        eval_env.close()


def how_to_go_on(arguments: RunArguments, folder: RunFolder) -> str:
    """Say how an interrupted run goes on.

    Args:
        arguments: Its arguments.
        folder: Its folder.

    Returns:
        A line of text.
    """
    flags = "--resume in place of --overwrite" if arguments.overwrite else "--resume"
    return f"{folder.path} keeps the run: the same command with {flags} goes on with it"


def run_and_report(
    experiment: str,
    arguments: RunArguments,
    build_levels: Callable[[VectorEnv], Sequence[Level]],
    draw: Callable[[TrainedRun], None],
) -> TrainedRun:
    """Run an experiment, and print the result and where to look.

    Args:
        experiment: Name of the experiment.
        arguments: Its arguments.
        build_levels: Describes the levels for a training environment.
        draw: Makes the figures.

    Returns:
        The run.
    """
    finished = run_experiment(experiment, arguments, build_levels, draw)
    folder = finished.folder.path
    print(f"\n{arguments.env_id}\n{result_table(finished.result)}\n")
    print(f"run folder      {folder}")
    for figure in sorted(folder.glob("*.png")):
        print(f"{figure.stem.replace('_', ' '):<16}{figure}")
    board = python_command("-m", "tensorboard.main", "--logdir", str(folder))
    print(f"TensorBoard     {board}")
    return finished


def train(
    arguments: RunArguments,
    hierarchy: Hierarchy,
    env: VectorEnv,
    test_env: VectorEnv,
    folder: RunFolder,
    seed: int,
) -> TimeCosts:
    """Collect and learn, from the start or the last checkpoint.

    Args:
        arguments: How long, and how often to test.
        hierarchy: Learns.
        env: Where experience is collected, unless workers do that.
        test_env: Where periodic tests are run.
        folder: Where everything is written.
        seed: Seeds the environments.

    Returns:
        What it took, tests included.
    """
    log = MetricsLog(folder.metrics_path, folder.writer)
    checkpoints = RunCheckpoints(folder.path / "checkpoints")
    with ExitStack() as ends:
        ends.callback(log.close)
        source: VectorEnv | Experience = env
        if arguments.workers:
            source, workers = remote_experience(arguments, hierarchy)
            ends.callback(workers.close)
        collector = Collector(
            hierarchy, source, test_env, metrics_log=log, checkpoints=checkpoints
        )
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
        return TimeCosts(log.seconds, collector.stopwatch.seconds)


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
