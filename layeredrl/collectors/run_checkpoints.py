"""Checkpoints from which a run continues as if it had never stopped."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layeredrl.errors import CheckpointError, ConfigurationError
from layeredrl.hierarchies.persistence import check_description, describe
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.replay_archive import ReplayArchive

if TYPE_CHECKING:
    from layeredrl.collectors.collector import Collector
    from layeredrl.hierarchies import Hierarchy

logger = logging.getLogger(__name__)

KIND = "run"


class RunCheckpoints:
    """A folder with the last checkpoints of a run and the chunks of its replay buffers.

    A checkpoint counts from the moment its file has its name; until then the one before
    is the last. Chunks are written first, so a file's chunks are always there.
    """

    def __init__(self, folder: str | Path, n_kept: int = 2):
        """Name the folder.

        Args:
            folder: Where checkpoints are kept; made when the first one is written.
            n_kept: How many are kept, at least 1.

        Raises:
            ConfigurationError: If none would be kept.
        """
        if n_kept < 1:
            raise ConfigurationError(f"n_kept must be at least 1, got {n_kept}")
        self._folder = Path(folder)
        self._n_kept = n_kept
        self._manifests: dict[Path, dict[str, Any]] = {}

    def save(self, collector: "Collector") -> Path:
        """Write a checkpoint of everything that changes, and drop the oldest.

        Args:
            collector: The run.

        Returns:
            The checkpoint's file.

        Raises:
            CheckpointError: If it cannot be written, in which case the ones before stay
                whole, or the folder holds those of another run.
        """
        if not self._manifests and any(self._folder.glob("step-*.pt")):
            raise CheckpointError(
                f"{self._folder} holds checkpoints of another run: restore the newest to go "
                "on with it, or name another folder"
            )
        path = self._folder / f"step-{collector.n_env_steps:012d}.pt"
        last = self._manifests[max(self._manifests)] if self._manifests else {}
        manifests = {
            name: self._archive(name).save(buffer, last.get(name))
            for name, buffer in _buffers(collector.hierarchy).items()
        }
        content = {
            "description": describe(collector.hierarchy),
            "run": collector.state_dict(),
            "replay": manifests,
        }
        save_checkpoint(path, KIND, content)
        self._manifests[path] = manifests
        self._prune()
        return path

    def restore(self, collector: "Collector") -> Path | None:
        """Continue from the newest checkpoint that is whole.

        Args:
            collector: Built as the one that was saved.

        Returns:
            The checkpoint's file; ``None`` if there is none.

        Raises:
            CheckpointError: If there are checkpoints but none is whole, or they are of
                another hierarchy, which is then as it was.
        """
        found = sorted(self._folder.glob("step-*.pt"), reverse=True)
        for path in found:
            try:
                content = load_checkpoint(path, KIND)
            except CheckpointError as error:
                logger.warning("%s; trying the one before", error)
                continue
            check_description(
                content["description"], describe(collector.hierarchy), path
            )
            before = collector.hierarchy.state_dict()
            try:
                self._load(collector, content)
            except CheckpointError as error:
                collector.hierarchy.load_state_dict(before)
                logger.warning("%s; trying the one before %s", error, path)
                continue
            except Exception as error:
                collector.hierarchy.load_state_dict(before)
                raise CheckpointError(
                    f"{path} does not fit this hierarchy: {error!r}"
                ) from error
            self._manifests = self._known_manifests(path)
            return path
        if found:
            raise CheckpointError(f"none of the checkpoints in {self._folder} is whole")
        return None

    def _load(self, collector: "Collector", content: Mapping[str, Any]) -> None:
        collector.load_state_dict(content["run"])
        for name, buffer in _buffers(collector.hierarchy).items():
            self._archive(name).load(buffer, content["replay"][name])
        collector.load_episodes(content["run"])

    def _known_manifests(self, newest: Path) -> dict[Path, dict[str, Any]]:
        """Manifests of what may be built on; files that cannot be read are left alone."""
        manifests = {}
        for path in sorted(self._folder.glob("step-*.pt")):
            try:
                if path <= newest:
                    manifests[path] = load_checkpoint(path, KIND)["replay"]
            except CheckpointError as error:
                logger.warning("%s", error)
        return manifests

    def _archive(self, name: str) -> ReplayArchive:
        return ReplayArchive(self._folder / "replay", name)

    def _prune(self) -> None:
        for path in sorted(self._manifests)[: -self._n_kept]:
            path.unlink(missing_ok=True)
            del self._manifests[path]
        names = {name for kept in self._manifests.values() for name in kept}
        for name in names:
            kept = [m[name] for m in self._manifests.values() if name in m]
            self._archive(name).prune(kept)


def _buffers(hierarchy: "Hierarchy") -> dict[str, Any]:
    return {
        f"level{i}-{name}": buffer
        for i, level in enumerate(hierarchy.levels)
        for name, buffer in level.replay_buffers().items()
    }
