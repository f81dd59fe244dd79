"""Trained agents from run folders and checkpoints, ready to be evaluated."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymnasium.vector import VectorEnv

from experiments import dads, flat, memory, pixels, planner, splates, subgoals
from experiments.builders.skill_arguments import SkillArguments
from experiments.running.arguments import RunArguments
from experiments.running.environments import make_vector_env
from experiments.running.past_runs import experiment_of, read_json
from layeredrl.collectors.run_checkpoints import KIND as RUN_KIND
from layeredrl.errors import CheckpointError, ConfigurationError, RunFolderError
from layeredrl.hierarchies import Hierarchy
from layeredrl.hierarchies.persistence import KIND, check_description, describe
from layeredrl.hierarchies.space_fitting import describe_spaces
from layeredrl.levels import Level
from layeredrl.utils.checkpoints import load_checkpoint
from layeredrl.utils.spaces import single_spaces

Build = Callable[[Any, VectorEnv], list[Level]]


def _planning(choose_predictor: Callable[..., Any]) -> Build:
    def build(arguments: Any, env: VectorEnv) -> list[Level]:
        return planner.build_levels(arguments, env, choose_predictor(arguments, env))

    return build


EXPERIMENTS: dict[str, tuple[type[RunArguments], Build]] = {
    "flat": (flat.FlatArguments, flat.build_levels),
    "planner": (planner.PlannerArguments, _planning(planner.choose_predictor)),
    "memory": (memory.MemoryArguments, _planning(memory.choose_predictor)),
    "pixels": (pixels.PixelArguments, _planning(pixels.choose_predictor)),
    "subgoals": (subgoals.SubgoalArguments, subgoals.build_levels),
    "splates": (splates.SPlaTESArguments, splates.build_levels),
    "dads": (SkillArguments, dads.build_levels),
}


@dataclass(frozen=True)
class Trained:
    """A checkpoint, and what is known of the run it comes from."""

    checkpoint: Path
    """The file."""
    folder: Path | None
    """Its run folder; ``None`` for a file that lies elsewhere."""
    arguments: dict[str, Any]
    """The run's ``args.json``; empty without a run folder."""
    experiment: str | None
    """Name of the experiment, where it is told."""

    def shared(self) -> RunArguments:
        """Read the arguments that all experiments share.

        Returns:
            The arguments; those that are not known have their defaults.
        """
        return _filled(RunArguments, self.arguments)


def find_trained(place: Path, experiment: str | None = None) -> Trained:
    """Find the checkpoint that is meant.

    Args:
        place: A checkpoint, or a run folder: its final checkpoint, or the newest one of a
            run that goes on.
        experiment: Name of the experiment; by default it is looked up.

    Returns:
        The checkpoint and its run.

    Raises:
        RunFolderError: If there is nothing, or no checkpoint in the folder.
        ConfigurationError: If there is no such experiment.
    """
    if experiment is not None and experiment not in EXPERIMENTS:
        raise ConfigurationError(
            f"there is no experiment {experiment!r}; there are {sorted(EXPERIMENTS)}"
        )
    if not place.exists():
        raise RunFolderError(f"there is no run folder or checkpoint {place}")
    checkpoint = _newest(place) if place.is_dir() else place
    around = place if place.is_dir() else checkpoint.resolve().parent.parent
    folder = around if (around / "args.json").exists() else None
    arguments = {} if folder is None else read_json(folder / "args.json")
    if experiment is None and folder is not None:
        experiment = _told_experiment(folder, arguments)
    return Trained(checkpoint, folder, arguments, experiment)


def _newest(folder: Path) -> Path:
    final = folder / "checkpoints" / "final.pt"
    if final.exists():
        return final
    steps = sorted((folder / "checkpoints").glob("step-*.pt"))
    if not steps:
        raise RunFolderError(f"{folder} has no checkpoint in {final.parent}")
    return steps[-1]


def _told_experiment(folder: Path, arguments: dict[str, Any]) -> str | None:
    """By the arguments or the command, else by place, else by names of arguments."""
    path = folder / "result.json"
    told = experiment_of(arguments, read_json(path) if path.exists() else {})
    if told in EXPERIMENTS:
        return told
    if "experiment" in arguments:  # another one, however much alike
        return None
    above = folder.resolve().parents
    if len(above) > 1 and above[1].name in EXPERIMENTS:
        return above[1].name
    fitting = [
        name
        for name, (kind, _) in EXPERIMENTS.items()
        if {field.name for field in dataclasses.fields(kind)} == arguments.keys()
    ]
    return fitting[0] if len(fitting) == 1 else None


def load_agent(
    trained: Trained,
    env: VectorEnv,
    device: str,
    seed: int,
    trusted: Sequence[str] = (),
) -> tuple[Hierarchy, int]:
    """Load a trained hierarchy to act in an environment.

    A final checkpoint rebuilds itself; where it cannot, and for a checkpoint of a run that
    goes on, levels are built anew from the run's arguments.

    Args:
        trained: What to load.
        env: Where it will act; of any number of instances.
        device: Where its networks live.
        seed: Root of its randomness.
        trusted: Packages beside ours from which the file may name classes and functions.

    Returns:
        The hierarchy in evaluation mode, and its environment steps of training.

    Raises:
        CheckpointError: If the file is foreign, truncated or newer, or does not fit.
        ConfigurationError: If levels have to be built anew, and it is not known how.
    """
    try:
        content = load_checkpoint(trained.checkpoint, KIND)
    except CheckpointError as error:
        try:
            content = load_checkpoint(trained.checkpoint, RUN_KIND)
        except CheckpointError:
            raise error from None
        return _from_run(trained, content, env, device, seed)
    n_env_steps = int(content["state"]["n_env_steps"])
    path = trained.checkpoint
    check_description(
        content["description"], describe_spaces(*single_spaces(env)), path
    )
    try:
        return Hierarchy.load(path, env, device, seed, trusted), n_env_steps
    except CheckpointError as error:
        if trained.experiment is None:
            raise CheckpointError(
                f"{error}; --experiment NAME lets it be built from the run's arguments"
            ) from error
    levels = _levels(trained, env)
    agent = Hierarchy(levels, env, device=device, seed=seed, keeps_buffers=False)
    with _fitting(path):
        agent.load_acting_state(content["acting"])
    agent.eval()
    return agent, n_env_steps


def _from_run(
    trained: Trained, content: dict[str, Any], env: VectorEnv, device: str, seed: int
) -> tuple[Hierarchy, int]:
    """A run's checkpoint has no recipe, and the state of all its training instances."""
    shared = trained.shared()
    training_env = make_vector_env(
        shared.env_id, shared.n_envs, shared.parsed_train_env_kwargs()
    )
    try:
        hierarchy = Hierarchy(
            _levels(trained, training_env), training_env, device=device
        )
    finally:
        training_env.close()
    path = trained.checkpoint
    check_description(content["description"], describe(hierarchy), path)
    with _fitting(path):
        hierarchy.load_state_dict(content["run"]["hierarchy"])
    return hierarchy.acting_copy(env, seed), hierarchy.n_env_steps


@contextmanager
def _fitting(path: Path) -> Iterator[None]:
    """Whatever the file leads to while it is loaded, it is the file's fault."""
    try:
        yield
    except Exception as error:
        raise CheckpointError(
            f"{path} does not fit what the run's arguments build: {error!r}"
        ) from error


def _levels(trained: Trained, env: VectorEnv) -> list[Level]:
    if trained.experiment is None or trained.folder is None:
        raise ConfigurationError(
            f"how the levels of {trained.checkpoint} are built is not known: it needs its "
            f"run folder's args.json and --experiment, one of {sorted(EXPERIMENTS)}"
        )
    kind, build = EXPERIMENTS[trained.experiment]
    known = {field.name for field in dataclasses.fields(kind)}
    foreign = sorted(trained.arguments.keys() - known - {"experiment"})
    if foreign:
        raise ConfigurationError(
            f"the run in {trained.folder} has arguments that {trained.experiment} does "
            f"not take (any more): {foreign}"
        )
    return build(_filled(kind, trained.arguments), env)


def _filled(kind: type[RunArguments], values: dict[str, Any]) -> RunArguments:
    known = {field.name for field in dataclasses.fields(kind)}
    as_before: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in known
    }
    return kind(**as_before | {"run_dir": None, "resume": False, "overwrite": False})
