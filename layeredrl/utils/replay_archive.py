"""Replay buffers on disk in chunks, so that saving again costs what is new."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from layeredrl.errors import CheckpointError
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint, to_array
from layeredrl.utils.final_frames import FinalFrames
from layeredrl.utils.stored_batches import batch_to_dict, place_rows

KIND = "replay chunk"
_FLAGS = ("terminated", "truncated", "done")


class ReplayArchive:
    """A folder of chunks; each holds the transitions added since the one before.

    What :meth:`save` returns (the manifest) belongs into the checkpoint whose writing
    makes the save count. Chunks are never changed; a chunk whose transitions have all
    been overwritten in the buffer drops out of the manifest.
    """

    def __init__(self, folder: str | Path, name: str):
        """Name the folder.

        Args:
            folder: Where the chunks are; made when the first one is written.
            name: What the chunks' names begin with.
        """
        self._folder = Path(folder)
        self._name = name

    def save(
        self, buffer: TransitionBuffer, last: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Write what is new.

        Args:
            buffer: The buffer.
            last: The manifest of the save before, in this folder; ``None`` at first.

        Returns:
            The manifest: plain values and arrays.

        Raises:
            CheckpointError: If a chunk cannot be written.
        """
        added = buffer.n_added.copy()
        chunks = [] if last is None else list(last["chunks"])
        start = np.zeros_like(added) if last is None else to_array(last["n_added"])
        ring_size = buffer.maxsize // buffer.buffer_num
        if (added > start).any():
            start = np.maximum(start, added - ring_size)
            number = 1 + max((int(c["name"][-6:]) for c in chunks), default=0)
            name = f"{self._name}-{number:06d}"
            self._write(name, buffer, start, added, ring_size)
            chunks.append({"name": name, "end": added.tolist()})
        oldest = added - ring_size
        kept = [c for c in chunks if (np.array(c["end"]) > oldest).any()]
        state = buffer.state_dict(with_transitions=False)
        # Ends of episodes can be marked after a transition was written.
        flags = {name: getattr(buffer, name).copy() for name in _FLAGS if len(buffer)}
        return {
            "chunks": kept,
            "n_added": added,
            "state": state,
            "flags": flags,
            # A chunk's newest ones may have been found again in what was added since.
            "final_frames": buffer.final_frames.positions(),
        }

    def load(self, buffer: TransitionBuffer, manifest: Mapping[str, Any]) -> None:
        """Fill a buffer.

        Args:
            buffer: Of the size that was saved.
            manifest: What :meth:`save` returned.

        Raises:
            CheckpointError: If a chunk is missing, broken or of another run, or the buffer is
                of another size.
        """
        transitions: dict[str, Any] = {}
        frames = FinalFrames(buffer.maxsize)
        ring_size = buffer.maxsize // buffer.buffer_num
        for chunk in manifest["chunks"]:
            content = load_checkpoint(self._path(chunk["name"]), KIND)
            start, end = to_array(content["start"]), to_array(content["end"])
            if end.tolist() != list(chunk["end"]):
                raise CheckpointError(
                    f"{self._path(chunk['name'])} ends with transitions {end.tolist()} of "
                    f"its instances, {list(chunk['end'])} were saved: it is of another run"
                )
            positions = _positions(start, end, ring_size)
            place_rows(transitions, content["transitions"], positions, buffer.maxsize)
            frames.load_state_dict(content["final_frames"])
        frames.keep_only(to_array(manifest["final_frames"]))
        for name, flags in manifest["flags"].items():
            transitions[name] = to_array(flags)
        content = {"transitions": transitions, "final_frames": frames.state_dict()}
        buffer.load_state_dict({**manifest["state"], **content})

    def prune(self, manifests: Iterable[Mapping[str, Any]]) -> None:
        """Delete chunks that no manifest names.

        Args:
            manifests: Manifests of the checkpoints that are kept.
        """
        kept = {chunk["name"] for manifest in manifests for chunk in manifest["chunks"]}
        for path in self._folder.glob(f"{self._name}-*.pt"):
            if path.stem not in kept:
                path.unlink(missing_ok=True)

    def _write(
        self,
        name: str,
        buffer: TransitionBuffer,
        start: np.ndarray,
        end: np.ndarray,
        ring_size: int,
    ) -> None:
        positions = _positions(start, end, ring_size)
        content = {
            "start": start,
            "end": end,
            "transitions": batch_to_dict(buffer._meta, positions),
            "final_frames": buffer.final_frames.state_dict(positions),
        }
        save_checkpoint(self._path(name), KIND, content)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.pt"


def _positions(start: np.ndarray, end: np.ndarray, ring_size: int) -> np.ndarray:
    """Buffer positions of the transitions number ``start`` to ``end - 1`` of each ring."""
    return np.concatenate(
        [
            ring * ring_size + np.arange(first, last) % ring_size
            for ring, (first, last) in enumerate(zip(start, end, strict=True))
        ]
    )
