"""The ids under which Gymnasium knows the mazes."""

import gymnasium as gym

from layeredrl.envs.layouts import LAYOUTS

_EPISODE_STEPS = {"Giant": 1000}
_DEFAULT_EPISODE_STEPS = 400


def register_mazes() -> None:
    """Register ``Maze2D-<layout>-v0`` for each standard layout, unless it is there."""
    for layout in LAYOUTS:
        env_id = f"Maze2D-{layout}-v0"
        if env_id in gym.registry:
            continue
        gym.register(
            id=env_id,
            entry_point="layeredrl.envs.maze2d:Maze2DEnv",
            vector_entry_point="layeredrl.envs.maze2d_vector:Maze2DVectorEnv",
            max_episode_steps=_EPISODE_STEPS.get(layout, _DEFAULT_EPISODE_STEPS),
            kwargs={"layout": layout},
        )
