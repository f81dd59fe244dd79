"""The T-maze as a native vector environment: all instances step in numpy at once."""

from typing import Any

from gymnasium.vector import AutoresetMode

from layeredrl.envs.tmaze_world import TMazeWorld
from layeredrl.envs.vector_arguments import check_num_envs
from layeredrl.envs.world_vector_env import WorldVectorEnv


class TMazeVectorEnv(WorldVectorEnv):
    """Many T-mazes like ``TMazeEnv``, stepped together.

    ``reset(options={"cue": ...})`` sets the cues: 1 or -1 for all instances, or (B,).
    ``options={"reset_mask": mask}`` resets only some instances.

    Its state has ``corridor_length``, ``episode_steps``, ``places``, ``arms`` and ``cues``
    (B,) int64, and what ``WorldVectorEnv`` adds.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **world_options: Any,
    ) -> None:
        """Set up the T-mazes.

        Args:
            num_envs: How many instances, B.
            max_episode_steps: Another limit beside ``episode_steps``, which does not change
                rewards; ``None`` or -1 for none.
            autoreset_mode: When an instance is reset after its episode's end.
            render_mode: ``"rgb_array"``, or ``None``.
            **world_options: Arguments of ``TMazeWorld``: ``corridor_length``,
                ``episode_steps``.
        """
        super().__init__(
            TMazeWorld(check_num_envs(num_envs), **world_options),
            max_episode_steps=max_episode_steps,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
