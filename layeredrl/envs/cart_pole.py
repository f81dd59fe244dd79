"""The cart-pole without velocities as an ordinary Gymnasium environment."""

from typing import Any

from layeredrl.envs.cart_pole_world import CartPoleWorld
from layeredrl.envs.world_env import WorldEnv


class CartPoleNoVelocityEnv(WorldEnv):
    """A pole is to be kept upright on a cart, and nobody tells how fast they move.

    Gymnasium's ``CartPole-v1`` (Barto, Sutton and Anderson 1983) with the velocities
    removed, as Meng et al. do it ("Memory-based Deep Reinforcement Learning for POMDPs",
    2021): who remembers the observation before knows them all the same.

    - **Actions**, ``Discrete(2)``: push the cart to the left, to the right.
    - **Observation**, (2,) float32: place of the cart and angle of the pole [rad].
    - **Reward**: 1 per step, the last one included.
    - An episode terminates when the cart leaves the track (2.4 to each side) or the pole
      leans by more than 12 degrees.
    - ``info["success"]``: whether the pole has stood to the end of the episode, known at
      its last step.

    An episode is truncated after ``episode_steps`` steps by the environment itself.
    The same seed gives the same episodes as in ``CartPole-v1``.

    ``reset(options={"state": (place, velocity, angle, angular velocity)})`` sets the start.

    Its state has ``episode_steps``, ``states`` (1, 4) float64, ``elapsed_steps`` (1,) int64
    and ``generators``.
    """

    def __init__(self, *, render_mode: str | None = None, **world_options: Any) -> None:
        """Set up the cart.

        Args:
            render_mode: ``"rgb_array"``, or ``None``.
            **world_options: Arguments of ``CartPoleWorld``: ``episode_steps``.
        """
        super().__init__(CartPoleWorld(1, **world_options), render_mode)
