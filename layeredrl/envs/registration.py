"""The ids under which Gymnasium knows our environments."""

from typing import Any

import gymnasium as gym

from layeredrl.envs.layouts import LAYOUTS

_MAZE2D = (
    "layeredrl.envs.maze2d:Maze2DEnv",
    "layeredrl.envs.maze2d_vector:Maze2DVectorEnv",
)
_TMAZE = (
    "layeredrl.envs.tmaze:TMazeEnv",
    "layeredrl.envs.tmaze_vector:TMazeVectorEnv",
)
_CART_POLE = (
    "layeredrl.envs.cart_pole:CartPoleNoVelocityEnv",
    "layeredrl.envs.cart_pole_vector:CartPoleNoVelocityVectorEnv",
)
_EPISODE_STEPS = {"Giant": 1000}
_DEFAULT_EPISODE_STEPS = 400
_GOAL_STEPS = 5
# Half as long again as the longest way between two corners takes.
_MEMORY_EPISODE_STEPS = {
    "Open": 60,
    "UMaze": 90,
    "Medium": 135,
    "Large": 285,
    "Giant": 450,
    "Corridor": 165,
}


def register_mazes() -> None:
    """Register ``Maze2D-<layout>-v0``, ``Maze2D-MemoryGoal-<layout>-v0``, ``TMaze-v0``.

    There is one of the first two for every standard layout. What is registered already
    stays.
    """
    for layout in LAYOUTS:
        _register(
            f"Maze2D-{layout}-v0",
            _EPISODE_STEPS.get(layout, _DEFAULT_EPISODE_STEPS),
            layout=layout,
        )
        _register(
            f"Maze2D-MemoryGoal-{layout}-v0",
            _MEMORY_EPISODE_STEPS[layout],
            layout=layout,
            goal_steps=_GOAL_STEPS,
        )
    _register("TMaze-v0", None, entry_points=_TMAZE)


def register_cart_pole() -> None:
    """Register ``CartPoleNoVelocity-v0``; what is registered already stays."""
    _register("CartPoleNoVelocity-v0", None, entry_points=_CART_POLE)


def _register(
    env_id: str,
    episode_steps: int | None,
    entry_points: tuple[str, str] = _MAZE2D,
    **kwargs: Any,
) -> None:
    if env_id in gym.registry:
        return
    single, vector = entry_points
    gym.register(
        id=env_id,
        entry_point=single,
        vector_entry_point=vector,
        max_episode_steps=episode_steps,
        kwargs=kwargs,
    )
