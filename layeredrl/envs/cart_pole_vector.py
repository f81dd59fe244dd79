"""Cart-poles without velocities as a native vector environment."""

from typing import Any

from gymnasium.vector import AutoresetMode

from layeredrl.envs.cart_pole_world import CartPoleWorld
from layeredrl.envs.vector_arguments import check_num_envs
from layeredrl.envs.world_vector_env import WorldVectorEnv


class CartPoleNoVelocityVectorEnv(WorldVectorEnv):
    """Many carts like those of ``CartPoleNoVelocityEnv``, stepped together.

    ``reset(options={"state": ...})`` sets the starts: (4,) for all instances or (B, 4).
    ``options={"reset_mask": mask}`` resets only some instances.

    Its state has ``episode_steps``, ``states`` (B, 4) float64, and what
    ``WorldVectorEnv`` adds.
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
        """Set up the carts.

        Args:
            num_envs: How many instances, B.
            max_episode_steps: Another limit beside ``episode_steps``, without success;
                ``None`` or -1 for none.
            autoreset_mode: When an instance is reset after its episode's end.
            render_mode: ``"rgb_array"``, or ``None``.
            **world_options: Arguments of ``CartPoleWorld``: ``episode_steps``.
        """
        super().__init__(
            CartPoleWorld(check_num_envs(num_envs), **world_options),
            max_episode_steps=max_episode_steps,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
