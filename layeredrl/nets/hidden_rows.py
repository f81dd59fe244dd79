"""Rows of a trajectory encoder's hidden state: taken out, put back, saved.

A hidden state is whatever its encoder likes; what all have in common is tensors with an
axis of rows (``TrajEncoder.hidden_state_tensors``), so one piece of code serves them all.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from layeredrl.errors import CheckpointError
from layeredrl.nets.traj_encoder import TrajEncoder


@torch.no_grad()
def empty_hidden_state(encoder: TrajEncoder, n: int, device: torch.device) -> Any:
    """Make the hidden state of rows that have seen nothing, in the form it later has.

    Args:
        encoder: Whose hidden state; in evaluation mode.
        n: Number of rows.
        device: Where it shall be.

    Returns:
        The hidden state; ``None`` for encoders without memory.
    """
    hidden_state = encoder.init_hidden_state(n, device)
    if hidden_state is not None:
        return hidden_state
    # Some encoders (GRU) start from None: one step shows the form, resetting forgets it.
    step = torch.zeros(n, 1, encoder.tstep_dim, device=device)
    time = torch.zeros(n, 1, 1, dtype=torch.int64, device=device)
    _, hidden_state = encoder(step, time, None)
    return encoder.reset_hidden_state(hidden_state, np.ones(n, dtype=bool))


def gather_rows(encoder: TrajEncoder, hidden_state: Any, rows: np.ndarray) -> Any:
    """Take out some rows.

    Args:
        encoder: Whose hidden state.
        hidden_state: The hidden state of all rows.
        rows: Which ones, (B,) int64.

    Returns:
        Their hidden state; that of all rows itself if all are wanted, without a copy.
    """
    own = encoder.hidden_state_tensors(hidden_state)
    if not own or _are_all(own, rows):
        return hidden_state
    part = empty_hidden_state(encoder, len(rows), own[0][0].device)
    index = torch.from_numpy(rows).to(own[0][0].device)
    for (source, axis), (target, _) in zip(
        own, encoder.hidden_state_tensors(part), strict=True
    ):
        target.copy_(source.index_select(axis, index))
    return part


def scatter_rows(
    encoder: TrajEncoder, hidden_state: Any, rows: np.ndarray, part: Any
) -> Any:
    """Put back what :func:`gather_rows` took out.

    Args:
        encoder: Whose hidden state.
        hidden_state: The hidden state of all rows, changed in place.
        rows: Which ones, (B,) int64.
        part: Their new hidden state.

    Returns:
        The hidden state of all rows.
    """
    own = encoder.hidden_state_tensors(hidden_state)
    if not own or _are_all(own, rows):
        return part
    index = torch.from_numpy(rows).to(own[0][0].device)
    for (target, axis), (source, _) in zip(
        own, encoder.hidden_state_tensors(part), strict=True
    ):
        target.index_copy_(axis, index, source)
    return hidden_state


def hidden_rows_state(encoder: TrajEncoder, hidden_state: Any) -> list[Tensor]:
    """Copy a hidden state for a checkpoint.

    Args:
        encoder: Whose hidden state.
        hidden_state: The hidden state.

    Returns:
        Its tensors, without gradients.
    """
    tensors = encoder.hidden_state_tensors(hidden_state)
    return [tensor.detach().clone() for tensor, _ in tensors]


def load_hidden_rows(
    encoder: TrajEncoder, tensors: list[Tensor], device: torch.device
) -> Any:
    """Restore what :func:`hidden_rows_state` returned.

    Args:
        encoder: Whose hidden state.
        tensors: What was saved.
        device: Where it shall be.

    Returns:
        The hidden state.

    Raises:
        CheckpointError: If the tensors are those of another encoder, or of different
            numbers of rows.
    """
    form = encoder.hidden_state_tensors(empty_hidden_state(encoder, 1, device))
    own = [_without(tensor, axis) for tensor, axis in form]
    saved = [
        _without(tensor, axis) for tensor, (_, axis) in zip(tensors, form, strict=False)
    ]
    if len(tensors) != len(form) or saved != own:
        raise CheckpointError(
            "the saved memory has tensors of shapes "
            f"{[tuple(t.shape) for t in tensors]}, this encoder's for one row have "
            f"{[tuple(t.shape) for t, _ in form]}"
        )
    if not form:
        return None
    n_rows = {t.shape[axis] for t, (_, axis) in zip(tensors, form, strict=True)}
    if len(n_rows) > 1:
        raise CheckpointError(
            f"the saved memory is of {sorted(n_rows)} rows at the same time"
        )
    (n,) = n_rows
    hidden_state = empty_hidden_state(encoder, n, device)
    targets = encoder.hidden_state_tensors(hidden_state)
    for (target, _), source in zip(targets, tensors, strict=True):
        target.copy_(source)
    return hidden_state


def _without(tensor: Tensor, axis: int) -> tuple[int, ...]:
    """Shape without the axis of rows."""
    return (*tensor.shape[:axis], *tensor.shape[axis + 1 :])


def _are_all(tensors: list[tuple[Tensor, int]], rows: np.ndarray) -> bool:
    tensor, axis = tensors[0]
    n = tensor.shape[axis]
    return len(rows) == n and bool((rows == np.arange(n)).all())
