"""What a Transformer remembers while acting: keys and values of the latest steps."""

import torch
from torch import Tensor


class TformerHiddenState:
    """A ring buffer of keys and values per layer and row.

    Each row is at its own place in its episode.  The newest entry replaces the oldest, so
    no step copies the cache, and a full window is as fast as an empty one.  The memory
    carries no gradient.

    Attributes:
        key_cache: Keys, (n_layers, B, S, H, E).
        val_cache: Values, (n_layers, B, S, H, E).
        seq_lens: How many earlier steps a row remembers, at most S - 1, (B,) int32.
        next_slot: Where a row's next step goes, (B,) int64.
    """

    def __init__(
        self,
        n_layers: int,
        batch_size: int,
        n_slots: int,
        n_heads: int,
        head_dim: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """Remember nothing.

        Args:
            n_layers: Number of layers.
            batch_size: Number of rows, B.
            n_slots: How many steps attention spans, S.
            n_heads: Number of heads, H.
            head_dim: Features per head, E.
            dtype: Of the cached keys and values.
            device: Where the cache is.
        """
        # In memory the slots of a head lie together, as attention reads them.  Zeros rather
        # than NaN: masked scores still multiply what empty slots hold.
        shape = (n_layers, batch_size, n_heads, n_slots, head_dim)
        keys = torch.zeros(shape, dtype=dtype, device=device)
        self.key_cache = keys.transpose(2, 3)
        self.val_cache = torch.zeros_like(keys).transpose(2, 3)
        self.seq_lens = torch.zeros(batch_size, dtype=torch.int32, device=device)
        self.next_slot = torch.zeros(batch_size, dtype=torch.int64, device=device)
        self._rows = torch.arange(batch_size, device=device)

    def __getitem__(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """Give a layer's keys, its values and how many earlier steps rows remember."""
        return self.key_cache[layer], self.val_cache[layer], self.seq_lens

    @property
    def n_slots(self) -> int:
        """How many steps attention spans."""
        return self.key_cache.shape[2]

    def ages(self) -> Tensor:
        """Say how many steps ago each slot was written, the current step included.

        Returns:
            (B, S): 0 for the slot of the current step, -1 for slots that hold nothing.
        """
        slots = torch.arange(self.n_slots, device=self.next_slot.device)
        ages = (self.next_slot.unsqueeze(-1) - slots) % self.n_slots
        return ages.masked_fill(ages > self.seq_lens.unsqueeze(-1), -1)

    def write(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Store the current step of one layer.

        Args:
            layer: Which layer.
            keys: Keys of the current step, (B, H, E).
            values: Values of the current step, (B, H, E).
        """
        where = (self._rows, self.next_slot)
        self.key_cache[layer][where] = keys.detach().to(self.key_cache.dtype)
        self.val_cache[layer][where] = values.detach().to(self.val_cache.dtype)

    def advance(self) -> None:
        """End the step: what was written now is an earlier step."""
        self.seq_lens.add_(1).clamp_(max=self.n_slots - 1)
        self.next_slot.add_(1).remainder_(self.n_slots)

    def reset(self, rows: Tensor) -> None:
        """Forget some rows; what their slots hold stays, unseen.

        Args:
            rows: Which rows, (B,) bool.
        """
        self.seq_lens.masked_fill_(rows, 0)
        self.next_slot.masked_fill_(rows, 0)
