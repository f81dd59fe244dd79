"""The environment's own reward of a reached goal."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layeredrl.errors import ConfigurationError
from layeredrl.nets.transition_reward import TransitionReward

ComputeReward = Callable[[Any, Any, Any], Any]
"""``env.unwrapped.compute_reward(achieved_goal, desired_goal, info)``, batched."""


class GoalReward(TransitionReward):
    """Calls a goal environment's ``compute_reward`` on predicted achieved goals.

    Knows the reward instead of learning it: the reached latent state holds the achieved
    goal, the context the desired one. ``compute_reward`` works on numpy arrays, so no
    gradient flows and tensors on a GPU are copied.
    """

    def __init__(
        self,
        compute_reward: ComputeReward,
        achieved_dims: Sequence[int] | None = None,
        desired_dims: Sequence[int] | None = None,
    ):
        """Store the function and where the goals are found.

        Args:
            compute_reward: Takes achieved goals (R, G), desired goals (R, G) and a list of
                R empty infos, and returns rewards (R,).
            achieved_dims: Columns of the latent state that hold the achieved goal;
                ``None`` for all.
            desired_dims: Columns of the context that hold the desired goal; ``None`` for
                all.

        Raises:
            ConfigurationError: If both are given with different lengths, or
                ``compute_reward`` cannot be called.
        """
        super().__init__()
        if not callable(compute_reward):
            raise ConfigurationError(
                f"compute_reward must be callable, got {compute_reward!r}"
            )
        both = achieved_dims is not None and desired_dims is not None
        if both and len(achieved_dims or ()) != len(desired_dims or ()):
            raise ConfigurationError(
                "achieved and desired goals need equally many columns, got "
                f"{achieved_dims} and {desired_dims}"
            )
        self.compute_reward = compute_reward
        self._achieved = slice(None) if achieved_dims is None else list(achieved_dims)
        self._desired = slice(None) if desired_dims is None else list(desired_dims)

    def forward(
        self, state: Tensor, context: Tensor, action: Tensor, next_state: Tensor
    ) -> Tensor:
        """Compute the rewards (...)."""
        shape = torch.broadcast_shapes(next_state.shape[:-1], context.shape[:-1])
        achieved = _rows(next_state[..., self._achieved], shape)
        desired = _rows(context[..., self._desired], shape)
        reward = self.compute_reward(achieved, desired, [{}] * len(achieved))
        reward = torch.as_tensor(np.asarray(reward), dtype=next_state.dtype)
        return reward.reshape(shape).to(next_state.device)


def known_goal_reward(
    latent_state_dim: int,
    context_dim: int,
    action_dim: int,
    device: torch.device | str = "cpu",
    *,
    compute_reward: ComputeReward,
    achieved_dims: Sequence[int] | None = None,
    desired_dims: Sequence[int] | None = None,
) -> GoalReward:
    """Build a known reward as a ``partial_rew_func`` of a predictor factory.

    Args:
        latent_state_dim: Features of the latent state Z.
        context_dim: Features of the context C.
        action_dim: Not used; part of how rewards are built.
        device: Not used; the reward has no parameters.
        compute_reward: As :class:`GoalReward` takes it; bind it with
            ``functools.partial``.
        achieved_dims: Columns of the latent state that hold the achieved goal; ``None``
            for all.
        desired_dims: Columns of the context that hold the desired goal; ``None`` for all.

    Returns:
        The reward.

    Raises:
        ConfigurationError: If a column does not exist, or the goals differ in length.
    """
    achieved = range(latent_state_dim) if achieved_dims is None else achieved_dims
    desired = range(context_dim) if desired_dims is None else desired_dims
    for dims, dim, name in (
        (achieved, latent_state_dim, "latent state"),
        (desired, context_dim, "context"),
    ):
        if not all(0 <= column < dim for column in dims):
            raise ConfigurationError(
                f"there are no columns {list(dims)} in a {name} of {dim} features"
            )
    return GoalReward(compute_reward, tuple(achieved), tuple(desired))


def _rows(goals: Tensor, shape: torch.Size) -> np.ndarray:
    goals = goals.detach().expand(*shape, goals.shape[-1])
    return goals.reshape(-1, goals.shape[-1]).double().cpu().numpy()
