"""The folder that a run leaves behind, in one format for all experiments."""

import json
import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gin
from torch.utils.tensorboard import SummaryWriter

from experiments.running.arguments import RunArguments, as_plain
from layeredrl.errors import ConfigurationError, RunFolderError

# What may change when a run is resumed: it does not touch what was learned so far.
HARMLESS = {
    "total_env_steps",
    "n_eval_episodes",
    "checkpoint_interval",
    "torch_threads",
}
# How a run is started says nothing about the run.
_NOT_COMPARED = {"run_dir", "overwrite", "resume", "force"}
_PACKAGES = (
    "layeredrl",
    "torch",
    "tianshou",
    "gymnasium",
    "gymnasium-robotics",
    "mujoco",
    "numpy",
    "scipy",
)


class RunFolder:
    """Holds arguments, metrics, TensorBoard events, checkpoints, figures and results.

    Attributes:
        path: The folder.
        writer: TensorBoard writer into it.
        is_resumed: Whether it held a run that goes on.
        told: What ``args.json`` holds: the experiment and its arguments.
    """

    def __init__(self, experiment: str, arguments: RunArguments):
        """Make the folder and write down what was asked for.

        Args:
            experiment: Name of the experiment.
            arguments: Its arguments.

        Raises:
            RunFolderError: If the folder holds a run already that is neither to be resumed
                nor overwritten, or cannot be written.
            ConfigurationError: If a run is to be resumed with other arguments.
        """
        own = run_parent(experiment, arguments.env_id) / f"seed{arguments.seed}"
        self.path = arguments.run_dir or own
        self.is_resumed = arguments.resume and (self.path / "args.json").exists()
        self.told = told = {"experiment": experiment} | as_plain(arguments)
        if self.is_resumed:
            self._check_arguments(told, arguments.force)
        else:
            self._prepare(arguments.overwrite)
        self.write_json("args.json", told)
        self.writer = SummaryWriter(str(self.path))
        text = json.dumps(told, indent=2)
        self.writer.add_text("arguments", f"```\n{text}\n```")

    @property
    def metrics_path(self) -> Path:
        """Where metrics are appended."""
        return self.path / "metrics.jsonl"

    def checkpoint_path(self, name: str) -> Path:
        """Name a checkpoint.

        Args:
            name: Without suffix.

        Returns:
            Its path.
        """
        return self.path / "checkpoints" / f"{name}.pt"

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file.

        Args:
            name: File name.
            content: Plain values.

        Raises:
            RunFolderError: If it cannot be written.
        """
        write_json(self.path / name, content)

    def write_gin(self) -> None:
        """Write down the gin configuration that was in force."""
        text = gin.operative_config_str()
        self.write_text("config.gin", text)
        self.writer.add_text("gin", f"```\n{text}\n```")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file.

        Args:
            name: File name.
            text: Its content.

        Raises:
            RunFolderError: If it cannot be written.
        """
        write_text(self.path / name, text)

    def close(self) -> None:
        """Flush TensorBoard."""
        self.writer.close()

    def _check_arguments(self, now: dict[str, Any], force: bool) -> None:
        try:
            before = json.loads((self.path / "args.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunFolderError(
                f"cannot read the arguments of the run in {self.path}: {error}"
            ) from error
        # Older runs did not tell their experiment, and had no workers.
        untold = {"workers": 0}
        untold |= {name: now[name] for name in ("experiment", "round_steps")}
        before = untold | before
        changed = {
            name: f"{name}: {before.get(name)} before, {value} now"
            for name, value in now.items()
            if name not in _NOT_COMPARED and before.get(name) != value
        }
        harmful = [text for name, text in changed.items() if name not in HARMLESS]
        if harmful:
            raise ConfigurationError(
                f"{self.path} cannot be resumed with other arguments: "
                f"{'; '.join(harmful)}"
            )
        if changed and not force:
            raise ConfigurationError(
                f"{self.path} was run with other arguments: "
                f"{'; '.join(changed.values())}; --force resumes all the same"
            )

    def _prepare(self, overwrite: bool) -> None:
        try:
            if self.path.exists() and any(self.path.iterdir()):
                if not overwrite:
                    raise RunFolderError(
                        f"{self.path} holds a run already; --resume goes on with it, "
                        "--overwrite empties it, another --run-dir leaves it"
                    )
                if not (self.path / "args.json").exists():
                    raise RunFolderError(
                        f"{self.path} holds something else than a run; it is not emptied"
                    )
                shutil.rmtree(self.path)
            (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
        except RunFolderError:
            raise
        except OSError as error:
            raise RunFolderError(
                f"cannot write the run folder {self.path}: {error}"
            ) from error


def run_parent(experiment: str, env_id: str) -> Path:
    """Name the folder of an experiment's runs in one environment.

    Args:
        experiment: Name of the experiment.
        env_id: The environment.

    Returns:
        The folder; each seed has its own in it.
    """
    return Path("runs") / experiment / env_id.replace(":", "_").replace("/", "_")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file.

    Args:
        path: The file.
        content: Plain values.

    Raises:
        RunFolderError: If it cannot be written.
    """
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file.

    Args:
        path: The file.
        text: Its content.

    Raises:
        RunFolderError: If it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file.

    Args:
        path: The file.
        data: Its content.

    Raises:
        RunFolderError: If it cannot be written.
    """
    try:
        path.write_bytes(data)
    except OSError as error:
        raise RunFolderError(f"cannot write {path}: {error}") from error


def versions() -> dict[str, str]:
    """List what the run was made with.

    Returns:
        Versions by package, and those of Python and the platform.
    """
    found = {"python": platform.python_version(), "platform": platform.platform()}
    found["cpu_count"] = str(os.cpu_count())
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
