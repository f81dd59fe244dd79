"""Builds predictors whose parts fit together."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from torch.nn import Module

from layeredrl.errors import ConfigurationError
from layeredrl.models import Model
from layeredrl.predictors.predictor import Predictor
from layeredrl.utils.recipe_codec import Describable
from layeredrl.utils.spaces import action_dim

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class PredictorFactory(Describable):
    """A factory of predictors that passes on the dimensions each part needs.

    The encoder says how many features latent state and context have; the other parts are
    built for them.
    """

    def __init__(
        self,
        partial_model: Callable[..., Model],
        partial_val_func: Callable[..., Module | Callable] | None,
        partial_rew_func: Callable[..., Module | Callable],
        partial_encoder: Callable[..., Module | Callable],
        partial_predictor: Callable[..., Predictor],
    ):
        """Store the recipes of the parts.

        Args:
            partial_model: Called with the spaces of latent state, context and action, and
                ``device=``.
            partial_val_func: Called with the dimensions of latent state and context, and
                ``device=``; ``None`` for no value function.
            partial_rew_func: Called with the dimensions of latent state, context and
                action, and ``device=``.
            partial_encoder: Called with the shape of the mapped observation and
                ``device=``; its result has ``latent_state_dim`` and ``context_dim``.
            partial_predictor: Called with ``model=, val_func=, rew_func=, encoder=,
                latent_state_dim=, context_dim=, device=, writer=``.

        Raises:
            ConfigurationError: If a recipe cannot be called.
        """
        self.partial_model = partial_model
        self.partial_val_func = partial_val_func
        self.partial_rew_func = partial_rew_func
        self.partial_encoder = partial_encoder
        self.partial_predictor = partial_predictor
        for name, recipe in vars(self).items():
            if not callable(recipe) and not (
                name == "partial_val_func" and recipe is None
            ):
                raise ConfigurationError(f"{name} must be callable, got {recipe!r}")

    def constructor_arguments(self) -> dict[str, Any]:
        """Name the recipes, so that a checkpoint can hold the factory.

        Returns:
            Keyword arguments of the class.
        """
        return dict(vars(self))

    def __call__(
        self,
        mapped_env_obs_shape: tuple[int, ...] | dict[str, tuple[int, ...]],
        action_space: gym.Space,
        device: torch.device,
        writer: "SummaryWriter | None",
    ) -> Predictor:
        """Create a new predictor.

        Args:
            mapped_env_obs_shape: Shape of what the level sees, (O,), or a dict where
                images stay apart.
            action_space: The actions the predictor is asked about.
            device: Where everything is put.
            writer: Passed on to the predictor; ``None`` for no TensorBoard.

        Returns:
            The predictor.

        Raises:
            SpaceError: If actions are of a kind other than ``Box`` and ``Discrete``.
            ConfigurationError: If the encoder does not say what it yields.
        """
        n_actions = action_dim(action_space)
        encoder: Any = self.partial_encoder(mapped_env_obs_shape, device=device)
        try:
            state_dim, context_dim = encoder.latent_state_dim, encoder.context_dim
        except AttributeError as error:
            raise ConfigurationError(
                "an encoder says how many features it yields as latent_state_dim and "
                f"context_dim, got {encoder!r}"
            ) from error
        model = self.partial_model(
            _unbounded(state_dim), _unbounded(context_dim), action_space, device=device
        )
        rew_func = self.partial_rew_func(
            state_dim, context_dim, n_actions, device=device
        )
        val_func = None
        if self.partial_val_func is not None:
            val_func = self.partial_val_func(state_dim, context_dim, device=device)
        return self.partial_predictor(
            model=model,
            val_func=val_func,
            rew_func=rew_func,
            encoder=encoder,
            latent_state_dim=state_dim,
            context_dim=context_dim,
            device=device,
            writer=writer,
        )


def _unbounded(dim: int) -> spaces.Box:
    return spaces.Box(-np.inf, np.inf, (dim,), np.float32)
