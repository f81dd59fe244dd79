"""The base of the trajectory encoders: networks that carry memory along a trajectory.

Legend of these pages: B batch, L length (time), D features, H heads, E features per head.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError, ShapeError


class TrajEncoder(nn.Module, ABC):
    """Maps encoded time steps to features that remember the steps before.

    It works in two ways that agree with each other.  Without a hidden state it takes whole
    sequences, as in training.  With one (from :meth:`init_hidden_state`, if that gives one)
    it takes the next step of each row, as in acting, and returns the hidden state for the
    step after.  An output may depend on its own and earlier steps only.
    """

    def __init__(self, tstep_dim: int, max_seq_len: int) -> None:
        """Remember the sizes.

        Args:
            tstep_dim: Features of an encoded time step.
            max_seq_len: Longest sequence that is trained on [steps].
        """
        super().__init__()
        self.tstep_dim = tstep_dim
        self.max_seq_len = max_seq_len

    @property
    @abstractmethod
    def emb_dim(self) -> int:
        """Number of output features."""

    @abstractmethod
    def forward(
        self,
        seq: Tensor,
        time_idxs: Tensor,
        hidden_state: Any | None = None,
        log_dict: dict | None = None,
    ) -> tuple[Tensor, Any | None]:
        """Encode sequences, or the next step of each.

        Args:
            seq: Encoded time steps, (B, L, tstep_dim).
            time_idxs: Steps since the episode began, (B, L, 1) integer.
            hidden_state: What the steps before left behind; its kind is the encoder's own.
            log_dict: Receives 0-dim tensors worth logging, if given.

        Returns:
            Features, (B, L, emb_dim), and the hidden state for the next step.
        """

    def init_hidden_state(self, batch_size: int, device: torch.device) -> Any | None:
        """Give the hidden state at the start of an episode.

        Args:
            batch_size: Number of environment instances.
            device: Where the hidden state shall be.

        Returns:
            A hidden state, or ``None`` if there is none at the start.
        """
        return None

    def reset_hidden_state(self, hidden_state: Any | None, dones: np.ndarray) -> Any:
        """Forget the episodes that ended.

        Args:
            hidden_state: The hidden state of all rows, which may be changed in place.
            dones: Which rows' episodes ended, (B,) bool.

        Returns:
            The hidden state of all rows.
        """
        return hidden_state

    def hidden_state_tensors(
        self, hidden_state: Any | None
    ) -> list[tuple[Tensor, int]]:
        """Name the tensors that make up a hidden state, each with its axis of rows.

        With this, rows are taken out, put back and saved without knowing its kind. The
        base knows tensors, and lists, tuples and dicts of such, with the rows first.

        Args:
            hidden_state: A hidden state, or ``None``.

        Returns:
            The tensors themselves, not copies, and which axis counts the rows; nothing
            for ``None``.

        Raises:
            ConfigurationError: If it is of a kind that only a subclass can know.
        """
        if hidden_state is None:
            return []
        if isinstance(hidden_state, Tensor):
            return [(hidden_state, 0)]
        if isinstance(hidden_state, dict):
            hidden_state = list(hidden_state.values())
        if isinstance(hidden_state, (list, tuple)):
            return [
                entry
                for part in hidden_state
                for entry in TrajEncoder.hidden_state_tensors(self, part)
            ]
        raise ConfigurationError(
            f"{type(self).__name__} has to override hidden_state_tensors, because its "
            f"hidden state is a {type(hidden_state).__name__}"
        )

    def _check_seq(self, seq: Tensor) -> None:
        """Refuse sequences of another shape than (B, L, tstep_dim)."""
        if seq.ndim != 3 or seq.shape[-1] != self.tstep_dim:
            raise ShapeError(
                f"expected a sequence (B, L, {self.tstep_dim}), got {tuple(seq.shape)}"
            )


TrajEncoderType = Callable[[int, int], TrajEncoder]
"""Builds one from the features of an encoded step and the longest sequence [steps]."""


def done_rows(dones: np.ndarray, batch_size: int, device: torch.device) -> Tensor:
    """Bring the episode ends to where the hidden state is.

    Args:
        dones: Which rows' episodes ended, (B,) bool.
        batch_size: How many rows the hidden state has.
        device: Where the hidden state is.

    Returns:
        The same, (B,) bool.

    Raises:
        ShapeError: There are more or fewer rows.
    """
    rows = torch.as_tensor(dones, dtype=torch.bool, device=device)
    if tuple(rows.shape) != (batch_size,):
        raise ShapeError(f"expected dones ({batch_size},), got {tuple(rows.shape)}")
    return rows
