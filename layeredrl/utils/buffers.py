"""Replay of transitions with a generator of its own."""

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from tianshou.data import Batch, ReplayBuffer, ReplayBufferManager, VectorReplayBuffer

from layeredrl.errors import CheckpointError, ConfigurationError
from layeredrl.utils.checkpoints import to_array
from layeredrl.utils.final_frames import FinalFrames, split_frames
from layeredrl.utils.ring_states import ring_states, set_ring_states
from layeredrl.utils.seeding import (
    numpy_generator,
    numpy_generator_state,
    set_numpy_generator_state,
)
from layeredrl.utils.stored_batches import batch_to_dict, dict_to_batch, shapes

# Plain Tianshou buffers own no usable generator (all their sub-buffers share one seed),
# so one is kept beside each of them.
_GENERATORS: WeakKeyDictionary[ReplayBuffer, np.random.Generator] = WeakKeyDictionary()


class TransitionBuffer(VectorReplayBuffer):
    """A vector replay buffer that owns its generator and can be saved exactly.

    One ring per environment instance, so that episodes stay contiguous. Unlike its base
    it compiles nothing on construction, and stores the images of dict observations once:
    ``obs_next`` holds the other entries only, :meth:`successor_frames` and indexing the
    buffer give the images too.

    Attributes:
        generator: Draws samples.
        n_added: Transitions ever added to each ring, (n_instances,) int64.
        n_consumed: How many of those were learned from for good, by learners that do.
        has_gap: Whether something happened in an instance that was not stored, so that
            what is stored next begins an episode of its own, (n_instances,) bool.
        final_frames: Images that followed transitions, where they are not the ones of the
            next stored transition.
    """

    generator: np.random.Generator
    n_added: np.ndarray
    n_consumed: np.ndarray
    has_gap: np.ndarray
    final_frames: FinalFrames

    def __init__(self, total_size: int, n_instances: int, seed: np.random.SeedSequence):
        """Make an empty buffer; memory is taken when the first transition comes.

        Args:
            total_size: Transitions it can hold, shared equally by the instances.
            n_instances: Number of environment instances.
            seed: Seeds the generator that draws samples.

        Raises:
            ConfigurationError: If it could not hold one transition per instance.
        """
        if n_instances < 1 or total_size < n_instances:
            raise ConfigurationError(
                "a replay buffer needs room for at least one transition per instance, "
                f"got total_size={total_size} for {n_instances} instances"
            )
        super().__init__(total_size, n_instances)
        self.generator = numpy_generator(seed)
        self.n_added, self.n_consumed = np.zeros((2, n_instances), dtype=np.int64)
        self.has_gap = np.zeros(n_instances, dtype=bool)
        self.final_frames = FinalFrames(self.maxsize)

    def add(
        self, batch: Any, buffer_ids: np.ndarray | list[int] | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Add one transition to each of some rings.

        Args:
            batch: The transitions, as Tianshou's vector buffer takes them.
            buffer_ids: Which rings, each at most once; ``None`` for all.

        Returns:
            Positions, episode returns, lengths and starts, as Tianshou returns them.

        Raises:
            ObservationError: If an image has another shape after the step than before.
        """
        batch, frames = split_frames(batch)
        rings = np.asarray(range(self.buffer_num) if buffer_ids is None else buffer_ids)
        after_gap = rings[self.has_gap[rings]]
        self.cut_episodes(after_gap)
        self.has_gap[after_gap] = False
        newest = self.last_index[rings]
        result = super().add(batch, buffer_ids)
        if frames:
            stored = {key: self.obs[key][result[0]] for key in frames}
            self.final_frames.drop_repeated(newest, stored)
            self.final_frames.put(result[0], frames)
        self.n_added[rings] += 1
        return result

    def get(self, index: Any, key: str, *args: Any, **kwargs: Any) -> Any:
        """Read an entry of transitions; next observations come with their images."""
        found = super().get(index, key, *args, **kwargs)
        if key == "obs_next" and self.final_frames.keys:
            found.__dict__.update(self.successor_frames(self._indices[index]))
        return found

    def successor_frames(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Read the images that followed transitions.

        Args:
            indices: Buffer positions of any shape.

        Returns:
            Images (*indices.shape, ...) by name; empty if there are none.
        """
        ring_size = self.maxsize // self.buffer_num
        is_last = indices % ring_size == ring_size - 1
        following = np.where(is_last, indices + 1 - ring_size, indices + 1)
        keys = self.final_frames.keys
        frames = {key: self.obs[key].take(following, axis=0) for key in keys}
        self.final_frames.fill_in(frames, indices)
        return frames

    def _compile(self) -> None:
        """Skip the base's warm-up of numba, which costs seconds per process."""

    def cut_episodes(self, instances: np.ndarray) -> None:
        """Make the newest transitions the last ones of their episodes.

        For episodes that were broken off, or went on without being stored: what is added
        next would otherwise look like their continuation.

        Args:
            instances: Which instances, (B,) int64; those whose episode is over, or that
                have stored nothing, stay as they are.
        """
        stored = instances[self._lengths[instances] > 0]
        if stored.size == 0:
            return
        newest = self.last_index[stored]
        goes_on = ~self.done[newest]
        self.truncated[newest[goes_on]] = self.done[newest[goes_on]] = True
        for ring in (self.buffers[i] for i in stored[goes_on]):
            ring._ep_return, ring._ep_len = 0.0, 0
            ring._ep_start_idx = ring._insertion_idx

    def state_dict(self, with_transitions: bool = True) -> dict[str, Any]:
        """Copy everything that changes.

        Args:
            with_transitions: Whether the stored transitions are among it.

        Returns:
            Stored transitions, ring positions and the generator's state.
        """
        return {
            "max_size": self.maxsize,
            "rings": ring_states(self),
            "n_added": self.n_added.copy(),
            "n_consumed": self.n_consumed.copy(),
            "has_gap": self.has_gap.copy(),
            "transitions": batch_to_dict(self._meta) if with_transitions else {},
            "final_frames": self.final_frames.state_dict() if with_transitions else {},
            "generator": numpy_generator_state(self.generator),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state; arrays may have become tensors on the way.

        Raises:
            CheckpointError: If it came from a buffer of another size or with transitions
                of another shape; nothing has changed then.
        """
        if (state["max_size"], len(state["rings"])) != (self.maxsize, self.buffer_num):
            raise CheckpointError(
                f"the saved buffer has {len(state['rings'])} rings of "
                f"{state['max_size']} transitions together, this one "
                f"{self.buffer_num} of {self.maxsize}"
            )
        own, saved = shapes(self._meta), shapes(state["transitions"])
        if own and saved and own != saved:
            raise CheckpointError(
                f"the saved buffer holds arrays of shapes {saved}, this one {own}"
            )
        self.final_frames = FinalFrames(self.maxsize)
        if saved:
            self.set_batch(dict_to_batch(state["transitions"]))
            self.final_frames.load_state_dict(state["final_frames"])
        else:  # as before the first transition: the next one decides the shapes
            for empty in (self, *self.buffers):
                empty._meta = Batch()
        set_ring_states(self, state["rings"])
        self.n_added = to_array(state["n_added"])
        self.n_consumed = to_array(state.get("n_consumed", state["n_added"]))
        self.has_gap = to_array(state["has_gap"])
        set_numpy_generator_state(self.generator, state["generator"])


def generator_of(buffer: ReplayBuffer) -> np.random.Generator:
    """Find the generator that draws samples from a buffer.

    Args:
        buffer: Ours, or any Tianshou buffer (which gets one of its own, seeded with 0).

    Returns:
        The generator; the same object at every call.
    """
    if isinstance(buffer, TransitionBuffer):
        return buffer.generator
    if buffer not in _GENERATORS:
        _GENERATORS[buffer] = numpy_generator(np.random.SeedSequence(0))
    return _GENERATORS[buffer]


def ring_bounds(buffer: ReplayBuffer) -> tuple[np.ndarray, np.ndarray]:
    """Find where a buffer's rings are.

    Args:
        buffer: A plain or vector replay buffer.

    Returns:
        First buffer positions of its rings, and numbers of transitions stored in them,
        (rings,) int64 each.
    """
    if isinstance(buffer, ReplayBufferManager):
        return buffer._offset, buffer._lengths
    return np.zeros(1, int), np.array([len(buffer)])
