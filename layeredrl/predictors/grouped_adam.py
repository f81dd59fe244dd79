"""One Adam whose parameter groups follow schedules of their own."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from layeredrl.utils.schedules import Schedule


class GroupedAdam:
    """Adam (Kingma & Ba 2015) with named groups, schedules and global clipping."""

    def __init__(
        self,
        groups: Mapping[str, Iterable[nn.Parameter]],
        schedules: Mapping[str, Schedule],
        clip_grad_max_norm: float | None,
    ):
        """Collect the parameters.

        Args:
            groups: Parameters by group name; groups may be empty.
            schedules: Learning rate by group name, in environment steps.
            clip_grad_max_norm: Largest norm of all gradients together, or ``None``.
        """
        self._schedules = dict(schedules)
        self._max_norm = clip_grad_max_norm
        named = {name: list(parameters) for name, parameters in groups.items()}
        self._parameters = [p for parameters in named.values() for p in parameters]
        self._adam = torch.optim.Adam(
            [
                {"params": parameters, "lr": schedules[name](0), "name": name}
                for name, parameters in named.items()
            ],
            fused=bool(self._parameters),
        )

    def set_learning_rates(self, n_total_env_steps: int) -> None:
        """Read the schedules.

        Args:
            n_total_env_steps: Environment steps taken so far.
        """
        for group in self._adam.param_groups:
            group["lr"] = self._schedules[group["name"]](n_total_env_steps)

    @property
    def learning_rates(self) -> dict[str, float]:
        """Current learning rate by group name."""
        return {group["name"]: group["lr"] for group in self._adam.param_groups}

    def step(self, loss: Tensor) -> Tensor:
        """Backpropagate, clip and take a step; parameters the loss ignores stay.

        Args:
            loss: Scalar.

        Returns:
            Norm of all gradients before clipping, 0-dim.
        """
        self._adam.zero_grad(set_to_none=True)
        if loss.requires_grad:
            loss.backward()
        if self._max_norm is None:
            norm = nn.utils.get_total_norm(
                [p.grad for p in self._parameters if p.grad is not None]
            )
        else:
            norm = nn.utils.clip_grad_norm_(self._parameters, self._max_norm)
        self._adam.step()
        return norm

    def state_dict(self) -> dict[str, Any]:
        """Copy the moments and counters of all groups.

        Returns:
            The state, in plain values and tensors.
        """
        return copy.deepcopy(self._adam.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        # Adam would go on in the very tensors that it is given.
        self._adam.load_state_dict(copy.deepcopy(state))
