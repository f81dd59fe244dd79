"""The Mamba block: a selective state space model, for whole sequences and step by step.

``Mamba: Linear-Time Sequence Modeling with Selective State Spaces``
(https://arxiv.org/abs/2312.00752).  Parameters are named as in the package mamba_ssm.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layeredrl.nets.selective_scan import kernel_scan, selective_scan

_MIN_STEP, _MAX_STEP, _STEP_FLOOR = 1e-3, 0.1, 1e-4


class Mamba(nn.Module):
    """Gated selective state space model with a short convolution before it.

    Legend: B batch, L length (time), D features, I inner features, K width of the
    convolution, N state features.
    """

    def __init__(self, d_model: int, d_state: int, d_conv: int, expand: float) -> None:
        """Draw weights; step sizes start log-uniform in [0.001, 0.1].

        Args:
            d_model: Features of input and output, D.
            d_state: State features per inner feature, N.
            d_conv: Width of the convolution over time, K [steps].
            expand: Inner features per feature of the input.
        """
        super().__init__()
        d_inner = int(expand * d_model)
        self.d_inner, self.d_state, self.d_conv = d_inner, d_state, d_conv
        self.dt_rank = math.ceil(d_model / 16)
        self.A_log = nn.Parameter(
            torch.log(torch.arange(1.0, d_state + 1)).repeat(d_inner, 1)
        )
        self.D = nn.Parameter(torch.ones(d_inner))
        self.in_proj = nn.Linear(d_model, 2 * d_inner, bias=False)
        self.conv1d = nn.Conv1d(d_inner, d_inner, d_conv, groups=d_inner)
        self.x_proj = nn.Linear(d_inner, self.dt_rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, d_inner)
        self.out_proj = nn.Linear(d_inner, d_model, bias=False)
        self._init_steps()

    @torch.no_grad()
    def _init_steps(self) -> None:
        """Draw the projection to step sizes."""
        bound = self.dt_rank**-0.5
        nn.init.uniform_(self.dt_proj.weight, -bound, bound)
        log_step = torch.empty(self.d_inner)
        log_step.uniform_(math.log(_MIN_STEP), math.log(_MAX_STEP))
        step = log_step.exp().clamp(min=_STEP_FLOOR)
        self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))  # softplus^-1

    def forward(self, h: Tensor) -> Tensor:
        """Run along whole sequences.

        Args:
            h: (B, L, D).

        Returns:
            (B, L, D).
        """
        x, z = self.in_proj(h).chunk(2, -1)
        x = F.silu(self._convolve(x))
        delta, b, c = self._select(x)
        a = self._decay_rates()
        y = kernel_scan(delta, x, a, b, c, self.D)
        if y is None:
            y = selective_scan(delta, delta * x, a, b, c) + self.D * x
        return self.out_proj(y.to(z.dtype) * F.silu(z))

    def step(self, h: Tensor, conv_state: Tensor, ssm_state: Tensor) -> Tensor:
        """Take one step.

        Args:
            h: (B, D).
            conv_state: Latest inputs of the convolution, the newest last, (B, I, K);
                changed in place.
            ssm_state: State of the recurrence, (B, I, N); changed in place.

        Returns:
            (B, D).
        """
        x, z = self.in_proj(h).chunk(2, -1)
        recent = torch.cat((conv_state[..., 1:], x.unsqueeze(-1)), -1)
        conv_state.copy_(recent.detach())
        x = (recent * self.conv1d.weight[:, 0]).sum(-1)
        assert self.conv1d.bias is not None
        x = F.silu(x + self.conv1d.bias)
        delta, b, c = self._select(x)
        decay = torch.exp(delta.unsqueeze(-1) * self._decay_rates())
        drive = (delta * x).unsqueeze(-1) * b.unsqueeze(-2)
        state = torch.addcmul(drive, decay, ssm_state.to(drive.dtype))
        ssm_state.copy_(state.detach())
        y = (state * c.unsqueeze(-2)).sum(-1) + self.D * x
        return self.out_proj(y.to(z.dtype) * F.silu(z))

    def _convolve(self, x: Tensor) -> Tensor:
        """Convolve each feature over time, seeing only the past, (B, L, I)."""
        x = F.pad(x.transpose(1, 2), (self.d_conv - 1, 0))
        return self.conv1d(x).transpose(1, 2)

    def _decay_rates(self) -> Tensor:
        """Give A, (I, N), negative."""
        return -torch.exp(_precise(self.A_log))

    def _select(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Choose step sizes (..., I), input and output maps (..., N) by the input."""
        sizes = (self.dt_rank, self.d_state, self.d_state)
        delta, b, c = self.x_proj(x).split(sizes, -1)
        return F.softplus(_precise(self.dt_proj(delta))), _precise(b), _precise(c)


def _precise(x: Tensor) -> Tensor:
    """Bring a tensor to at least float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class MambaHiddenState:
    """What Mamba blocks remember while acting.

    The memory is changed in place and carries no gradient.

    Attributes:
        conv_states: Per block the latest inputs of the convolution, (B, I, K).
        ssm_states: Per block the state of the recurrence, (B, I, N).
    """

    def __init__(self, conv_states: list[Tensor], ssm_states: list[Tensor]) -> None:
        """Hold the states.

        Args:
            conv_states: Per block, (B, I, K).
            ssm_states: Per block, (B, I, N).
        """
        self.conv_states = conv_states
        self.ssm_states = ssm_states

    def reset(self, rows: Tensor) -> None:
        """Set some rows to zero.

        Args:
            rows: Which rows, (B,) bool.
        """
        for state in (*self.conv_states, *self.ssm_states):
            state[rows] = 0
