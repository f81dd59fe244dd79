"""Ensemble members as one module with stacked weights."""

import copy
from abc import ABC
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


class MemberBatched(ABC):
    """Marks modules that run with stacked weights (M, ...) on inputs (M, R, ...)."""


class MemberStack(nn.Module):
    """M networks of the same architecture, computed together.

    The parameters and buffers of the members are stacked along a new first axis, under
    the names that a single member has. Where the network, and each part of it that has
    weights, is marked :class:`MemberBatched` the stacked weights are used directly; any
    other ``nn.Module`` is vectorised by ``torch.vmap``.
    """

    def __init__(self, members: Sequence[nn.Module]):
        """Stack the members' weights.

        Args:
            members: Networks of the same class and sizes, at least one.
        """
        super().__init__()
        self.n_members = len(members)
        self.net = copy.deepcopy(members[0])
        self.is_batched = _runs_stacked(self.net)
        states: list[dict[str, Tensor]] = [dict(m.named_parameters()) for m in members]
        for name in states[0]:
            stacked = torch.stack([state[name].detach() for state in states])
            is_trained = states[0][name].requires_grad
            _set(self.net, name, nn.Parameter(stacked, requires_grad=is_trained))
        states = [dict(m.named_buffers()) for m in members]
        for name in states[0]:
            _set(self.net, name, torch.stack([state[name] for state in states]))

    def forward(self, x: Tensor) -> Any:
        """Apply every member to its own rows.

        Args:
            x: Inputs (M, R, D).

        Returns:
            What a member returns, each tensor with a leading member axis.
        """
        if self.is_batched:
            return self.net(x)
        parameters: dict[str, Tensor] = dict(self.net.named_parameters())
        buffers = dict(self.net.named_buffers())
        return torch.vmap(self._call, randomness="different")(parameters, buffers, x)

    def _call(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor
    ) -> Any:
        return functional_call(self.net, (parameters, buffers), (x,))


def _runs_stacked(net: nn.Module) -> bool:
    """Tell whether nothing in a network would trip over a leading member axis."""
    return isinstance(net, MemberBatched) and all(
        isinstance(part, MemberBatched)
        for part in net.modules()
        if part._parameters or part._buffers
    )


def _set(module: nn.Module, name: str, value: Tensor) -> None:
    owner, _, attribute = name.rpartition(".")
    setattr(module.get_submodule(owner), attribute, value)
