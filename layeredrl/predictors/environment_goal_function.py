"""What an environment says of goals, in a form that checkpoints can hold."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv

from layeredrl.errors import ConfigurationError
from layeredrl.nets.goal_reward import ComputeReward
from layeredrl.utils.recipe_codec import Describable

GOAL_FUNCTIONS = ("compute_reward", "compute_terminated")
# Arguments of `gym.make` and `gym.make_vec` that are not the environment's own.
_OF_MAKE = {
    "autoreset_mode",
    "max_episode_steps",
    "num_envs",
    "render_mode",
    "vector_kwargs",
    "vectorization_mode",
    "wrappers",
}


class EnvironmentGoalFunction(Describable):
    """Calls a function of goals of an environment that it makes by its registered id.

    Unlike a method of an environment it can be written into checkpoints. The environment
    is made with the first call and never stepped.
    """

    def __init__(
        self,
        env_id: str,
        env_kwargs: Mapping[str, Any] | None = None,
        name: str = "compute_reward",
    ):
        """Note what to make, without making it.

        Args:
            env_id: Id of a goal environment. It must be registered when the function is
                called: this class imports nothing, since the id may come from a file.
            env_kwargs: Keyword arguments of the environment.
            name: ``"compute_reward"`` or ``"compute_terminated"``.

        Raises:
            ConfigurationError: If there is no such function.
        """
        if name not in GOAL_FUNCTIONS:
            raise ConfigurationError(
                f"unknown function {name!r}; known: {', '.join(GOAL_FUNCTIONS)}"
            )
        self.env_id, self.name = env_id, name
        self.env_kwargs = dict(env_kwargs or {})

    def constructor_arguments(self) -> dict[str, Any]:
        """Name the environment and the function."""
        return {
            "env_id": self.env_id,
            "env_kwargs": self.env_kwargs,
            "name": self.name,
        }

    def __call__(
        self,
        achieved_goal: np.ndarray,
        desired_goal: np.ndarray,
        info: Sequence[Mapping[str, Any]],
    ) -> np.ndarray:
        """Judge goals.

        Args:
            achieved_goal: Goals that were achieved, (R, G).
            desired_goal: Goals that were desired, (R, G).
            info: What the environment told beside them, R infos.

        Returns:
            One number for each, (R,).

        Raises:
            ConfigurationError: If the environment is not registered, or has no such
                function.
        """
        found = np.asarray(self._function(achieved_goal, desired_goal, info))
        if found.shape == (len(achieved_goal),):
            return found
        # Some environments judge single goals only; a batch then gets one answer.
        rows = zip(achieved_goal, desired_goal, info, strict=True)
        return np.array([self._function(*row) for row in rows])

    def __getstate__(self) -> dict[str, Any]:
        """Leave the environment out of copies."""
        return self.constructor_arguments()

    @cached_property
    def _function(self) -> ComputeReward:
        if self.env_id not in gym.registry:
            raise ConfigurationError(
                f"there is no environment {self.env_id!r} here; import the package that "
                "registers it"
            )
        env = gym.make(self.env_id, disable_env_checker=True, **self.env_kwargs)
        return _method(env.unwrapped, self.name)


def environment_goal_function(
    env: gym.Env | VectorEnv, name: str = "compute_reward"
) -> ComputeReward:
    """Find a function of goals of an environment.

    Args:
        env: An environment or vector environment, wrapped or not.
        name: ``"compute_reward"`` or ``"compute_terminated"``.

    Returns:
        An :class:`EnvironmentGoalFunction` where the environment has been made by its
        registered id; else the environment's own method, which no checkpoint can hold.

    Raises:
        ConfigurationError: If the environment has no such function.
    """
    base: Any = env.unwrapped
    if isinstance(base, SyncVectorEnv):
        base = base.envs[0].unwrapped
    spec = base.spec
    if spec is None or spec.id not in gym.registry:
        return _method(base, name)
    own = {key: value for key, value in spec.kwargs.items() if key not in _OF_MAKE}
    function = EnvironmentGoalFunction(spec.id, own, name)
    function._function  # made now, so that a missing one is missed here
    return function


def _method(env: Any, name: str) -> ComputeReward:
    try:
        return getattr(env, name)
    except AttributeError as error:
        raise ConfigurationError(
            f"{env} has no {name}(achieved_goal, desired_goal, info), without which it "
            "cannot be said what another goal would have paid"
        ) from error
