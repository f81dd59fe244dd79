"""The ids under which Gymnasium knows the mazes."""

from typing import Any

import gymnasium as gym

from layeredrl.envs.layouts import LAYOUTS

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
    """Register ``Maze2D-<layout>-v0`` and ``Maze2D-MemoryGoal-<layout>-v0``.

    There is one of each for every standard layout. What is registered already stays.
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


def _register(env_id: str, episode_steps: int, **kwargs: Any) -> None:
    if env_id in gym.registry:
        return
    gym.register(
        id=env_id,
        entry_point="layeredrl.envs.maze2d:Maze2DEnv",
        vector_entry_point="layeredrl.envs.maze2d_vector:Maze2DVectorEnv",
        max_episode_steps=episode_steps,
        kwargs=kwargs,
    )
