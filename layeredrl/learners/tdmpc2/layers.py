"""Layers of TD-MPC2: normalised before each activation, latents made of simplices."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class SimNorm(nn.Module):
    """Makes groups of features sum to one, by a softmax in each.

    A soft way of making a latent state sparse; it can neither grow nor vanish while one
    imagines (Hansen et al. 2024, section 3.1).
    """

    def __init__(self, simplex_dim: int):
        """Remember the size of the groups.

        Args:
            simplex_dim: Features that sum to one.
        """
        super().__init__()
        self._simplex_dim = simplex_dim

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the groups.

        Args:
            x: Features (..., Z), Z a multiple of ``simplex_dim``.

        Returns:
            Features of the same shape, in [0, 1].
        """
        # Every (Z / simplex_dim)-th feature belongs to the same group: torch's softmax over
        # a few neighbours is many times slower.
        groups = x.unflatten(-1, (self._simplex_dim, -1))
        return groups.softmax(-2).flatten(-2)


def normed_mlp(
    in_dim: int, hidden_sizes: Sequence[int], out_dim: int, simplex_dim: int = 0
) -> nn.Sequential:
    """Build an MLP that normalises the input of each activation.

    Args:
        in_dim: Input features.
        hidden_sizes: Width of each hidden layer.
        out_dim: Output features.
        simplex_dim: Features of the output that sum to one, see :class:`SimNorm`; 0 for
            an output without bounds.

    Returns:
        The network.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise([in_dim, *hidden_sizes]):
        # SiLU looks like the paper's Mish and takes a tenth of its time on CPUs.
        layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.SiLU()]
    layers.append(nn.Linear(hidden_sizes[-1], out_dim))
    if simplex_dim:
        layers += [nn.LayerNorm(out_dim), SimNorm(simplex_dim)]
    return nn.Sequential(*layers)


class _MemberLayer(nn.Module):
    """One linear layer per member, (M, in, out)."""

    def __init__(self, n_members: int, in_dim: int, out_dim: int):
        super().__init__()
        bound = 1.0 / math.sqrt(in_dim)
        weight = torch.empty(n_members, in_dim, out_dim).uniform_(-bound, bound)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(n_members, 1, out_dim))

    def forward(self, x: Tensor, members: Tensor | None) -> Tensor:
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if members is not None:
            weight, bias = weight[members], bias[members]
        return torch.baddbmm(bias, x, weight)


class _MemberNorm(nn.Module):
    """Layer normalisation with a gain and a bias per member."""

    def __init__(self, n_members: int, dim: int):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(n_members, 1, dim))
        self.bias = nn.Parameter(torch.zeros(n_members, 1, dim))

    def forward(self, x: Tensor, members: Tensor | None) -> Tensor:
        gain: Tensor = self.gain
        bias: Tensor = self.bias
        if members is not None:
            gain, bias = gain[members], bias[members]
        # One call per member: torch applies the gain of a single norm for free, while
        # gains that differ between members cost a pass over all features.
        parts = zip(x.unbind(), gain.squeeze(1), bias.squeeze(1), strict=True)
        dim = x.shape[-1:]
        return torch.stack([functional.layer_norm(y, dim, g, b) for y, g, b in parts])


class MemberMLP(nn.Module):
    """Several MLPs like those of :func:`normed_mlp`, in one batched product per layer.

    Attributes:
        n_members: Number of MLPs, M.
    """

    def __init__(
        self, n_members: int, in_dim: int, hidden_sizes: Sequence[int], out_dim: int
    ):
        """Build the MLPs; their outputs start at zero.

        Args:
            n_members: Number of MLPs, M.
            in_dim: Input features.
            hidden_sizes: Width of each hidden layer.
            out_dim: Output features.
        """
        super().__init__()
        self.n_members = n_members
        sizes = list(pairwise([in_dim, *hidden_sizes]))
        self._layers = nn.ModuleList(_MemberLayer(n_members, *pair) for pair in sizes)
        self._norms = nn.ModuleList(_MemberNorm(n_members, out) for _, out in sizes)
        self._last = _MemberLayer(n_members, hidden_sizes[-1], out_dim)
        nn.init.zeros_(self._last.weight)

    def forward(self, x: Tensor, members: Tensor | None = None) -> Tensor:
        """Apply the MLPs to the same input.

        Args:
            x: (..., in_dim).
            members: Which of the MLPs, (M',) int64; all of them by default.

        Returns:
            (M', ..., out_dim).
        """
        n_members = self.n_members if members is None else len(members)
        rows = x.reshape(-1, x.shape[-1]).expand(n_members, -1, -1)
        for layer, norm in zip(self._layers, self._norms, strict=True):
            rows = functional.silu(norm(layer(rows, members), members))
        y = self._last(rows, members)
        return y.reshape(n_members, *x.shape[:-1], y.shape[-1])
