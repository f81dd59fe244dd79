"""The recurrence of Mamba over whole sequences, in plain torch.

``s_t = exp(delta_t A) * s_{t-1} + u_t (x) b_t`` and ``y_t = s_t c_t``, from ``s_0 = 0``.

Legend: B batch, L length (time), I inner features, N state features, T steps of a block.
The states of a whole sequence, L B I N numbers, never exist at once: time is cut into
blocks, only the state at each block's start is kept, and the backward pass recomputes the
rest.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

_BLOCK_NUMBERS = {"cpu": 2**18, "cuda": 2**26}
"""About how many state numbers a block may hold, by kind of device."""
_SMALL_BLOCK = {"cpu": 2**14, "cuda": 2**30}
"""Up to how many numbers a block is scanned in parallel, by kind of device."""


def selective_scan(delta: Tensor, u: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Run the recurrence along whole sequences, in at least float32.

    Args:
        delta: Step sizes, positive, (B, L, I).
        u: Inputs, already times the step size, (B, L, I).
        a: Decay rates, negative, (I, N).
        b: How inputs enter the state, (B, L, N).
        c: How the state is read, (B, L, N).

    Returns:
        Outputs, (B, L, I).
    """
    dtype = torch.promote_types(delta.dtype, torch.float32)
    return _SelectiveScan.apply(*(x.to(dtype) for x in (delta, u, a, b, c)))


def _swap_time(x: Tensor) -> Tensor:
    """Swap time and batch, and bring the slices of the first axis together."""
    return x.transpose(0, 1).contiguous()


def linear_scan(
    decay: Tensor, drive: Tensor, start: Tensor, *, reverse: bool = False
) -> Tensor:
    """Run ``s_t = decay_t * s_{t-1} + drive_t`` elementwise.

    Small blocks, and all blocks on a GPU, take log2(T) parallel rounds; elsewhere one step
    after the other is faster, since each step keeps the machine busy.

    Args:
        decay: Factors, (T, ...).
        drive: Terms, (T, ...).
        start: State before the first step, (...).
        reverse: Run from the last step to the first; ``start`` then comes after the last.

    Returns:
        The states, (T, ...).
    """
    if decay.numel() <= _SMALL_BLOCK.get(decay.device.type, 0):
        return _parallel_scan(decay, drive, start, reverse)
    states: list[Tensor] = []
    state = start
    n = len(decay)
    for t in range(n - 1, -1, -1) if reverse else range(n):
        state = torch.addcmul(drive[t], decay[t], state)
        states.append(state)
    return torch.stack(states[::-1] if reverse else states)


def _parallel_scan(
    decay: Tensor, drive: Tensor, start: Tensor, reverse: bool
) -> Tensor:
    """Double the reach of each step until it spans the block (Hillis and Steele)."""
    if reverse:
        flipped = _parallel_scan(decay.flip(0), drive.flip(0), start, False)
        return flipped.flip(0)
    reach = 1
    while reach < len(decay):
        late = decay[reach:]
        drive = torch.cat(
            (drive[:reach], torch.addcmul(drive[reach:], late, drive[:-reach]))
        )
        decay = torch.cat((decay[:reach], late * decay[:-reach]))
        reach *= 2
    return torch.addcmul(drive, decay, start)


def _block_length(delta: Tensor, n_state: int) -> int:
    """Choose how many steps form a block."""
    numbers = _BLOCK_NUMBERS.get(delta.device.type, _BLOCK_NUMBERS["cpu"])
    per_step = max(1, delta[0].numel() * n_state)
    return min(max(8, numbers // per_step), len(delta))


def _block_states(
    delta: Tensor, u: Tensor, a: Tensor, b: Tensor, start: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute decays and states of one block, both (T, B, I, N)."""
    decay = torch.exp(delta.unsqueeze(-1) * a)
    drive = u.unsqueeze(-1) * b.unsqueeze(-2)
    return decay, linear_scan(decay, drive, start)


class _SelectiveScan(torch.autograd.Function):
    """The scan, with a backward pass that recomputes states.

    Autocast does not reach inside: the states are no place for bfloat16.
    """

    @staticmethod
    def forward(
        ctx: Any, delta: Tensor, u: Tensor, a: Tensor, b: Tensor, c: Tensor
    ) -> Tensor:
        """Scan block after block; remember the state at each block's start."""
        delta, u, b, c = (_swap_time(x) for x in (delta, u, b, c))
        length = _block_length(delta, a.shape[1])
        with torch.autocast(delta.device.type, enabled=False):
            y, starts = _scan_blocks(delta, u, a, b, c, length)
        ctx.save_for_backward(delta, u, a, b, c, starts)
        ctx.length = length
        return _swap_time(y)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        """Go backwards through the blocks, carrying the gradient of the state."""
        grad_y = _swap_time(grads[0])
        delta, u, a, b, c, starts = ctx.saved_tensors
        grad_a = torch.zeros_like(a)
        carry = torch.zeros_like(starts[0])
        parts = []
        for i in range(len(starts) - 1, -1, -1):
            block = slice(i * ctx.length, (i + 1) * ctx.length)
            inputs = (delta[block], u[block], a, b[block], c[block], starts[i])
            with torch.autocast(delta.device.type, enabled=False):
                part, part_a, carry = _block_backward(inputs, grad_y[block], carry)
            parts.append(part)
            grad_a += part_a
        whole = (torch.cat(part) for part in zip(*parts[::-1], strict=True))
        d_delta, d_u, d_b, d_c = (_swap_time(x) for x in whole)
        return d_delta, d_u, grad_a, d_b, d_c


def _scan_blocks(
    delta: Tensor, u: Tensor, a: Tensor, b: Tensor, c: Tensor, length: int
) -> tuple[Tensor, Tensor]:
    """Compute the outputs, (L, B, I), and the states at the start of the blocks."""
    state = a.new_zeros(delta.shape[1:] + a.shape[1:])
    starts, outputs = [], []
    for t in range(0, len(delta), length):
        block = slice(t, t + length)
        starts.append(state)
        _, states = _block_states(delta[block], u[block], a, b[block], state)
        outputs.append((states @ c[block].unsqueeze(-1)).squeeze(-1))
        state = states[-1].clone()
    return torch.cat(outputs), torch.stack(starts)


def _block_backward(
    inputs: tuple[Tensor, ...], grad_y: Tensor, carry: Tensor
) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], Tensor, Tensor]:
    """Differentiate one block.

    ``inputs`` are delta, u, a, b, c and the state before the block.
    ``carry`` is the gradient that the next block sends to this one's last state, (B, I, N).
    Returns the gradients of delta, u, b and c, that of a, and the carry to the block before.
    """
    delta, u, a, b, c, start = inputs
    decay, states = _block_states(delta, u, a, b, start)
    # g_t = c_t grad_y_t + decay_{t+1} g_{t+1}: the same recurrence, backwards in time
    direct = grad_y.unsqueeze(-1) * c.unsqueeze(-2)
    next_decay = torch.cat((decay[1:], torch.ones_like(decay[:1])))
    g = linear_scan(next_decay, direct, carry, reverse=True)  # (T, B, I, N)
    before = torch.cat((start.unsqueeze(0), states[:-1]))
    flow = decay * g
    d_log = flow * before  # gradient of delta_t * a
    grads = (
        (d_log * a).sum(-1),
        (g @ b.unsqueeze(-1)).squeeze(-1),
        (u.unsqueeze(-2) @ g).squeeze(-2),
        (grad_y.unsqueeze(-2) @ states).squeeze(-2),
    )
    grad_a = (d_log * delta.unsqueeze(-1)).sum((0, 1))
    return grads, grad_a, flow[0]


def kernel_scan(
    delta: Tensor, x: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor
) -> Tensor | None:
    """Run the recurrence in the kernel of ``mamba_ssm``, where there is one.

    Args:
        delta: Step sizes, positive, (B, L, I).
        x: Inputs, (B, L, I).
        a: Decay rates, negative, (I, N).
        b: How inputs enter the state, (B, L, N).
        c: How the state is read, (B, L, N).
        d: How inputs skip the state, (I,).

    Returns:
        ``y + d * x``, (B, L, I); ``None`` off the GPU or without the package.
    """
    kernel = None
    if x.device.type == "cuda" and not torch.compiler.is_compiling():
        kernel = _find_kernel()
    if kernel is None:
        return None
    x, delta, b, c = (part.transpose(1, 2).contiguous() for part in (x, delta, b, c))
    delta, b, c = delta.to(x.dtype), b.to(x.dtype), c.to(x.dtype)
    return kernel(x, delta, a.float(), b, c, d.float()).transpose(1, 2)


@cache
def _find_kernel() -> Callable[..., Tensor] | None:
    """Look for the kernel of ``mamba_ssm``."""
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except ImportError:
        return None
    return selective_scan_fn
