"""Carts with poles on them as a world, of which only places and angles are seen."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control import CartPoleEnv

from layeredrl.envs.cart_pole_rendering import draw_cart_poles
from layeredrl.envs.vector_arguments import check_choices, read_reset_options
from layeredrl.envs.world import Outcome, World
from layeredrl.errors import CheckpointError, ConfigurationError

START_RANGE = 0.05
"""Half-width of the uniform distribution of each part of the state at the start."""


class CartPoleWorld(World):
    """Carts that are pushed left or right so that the poles on them stay upright.

    Constants, dynamics, starts and rewards are those of Gymnasium's ``CartPole-v1``. A
    state is place and velocity of the cart, angle and angular velocity of the pole.
    """

    def __init__(self, n_instances: int, *, episode_steps: int = 500) -> None:
        """Set up the carts.

        Args:
            n_instances: How many instances, B.
            episode_steps: After how many steps an episode is truncated.

        Raises:
            ConfigurationError: That is not positive.
        """
        if episode_steps < 1:
            raise ConfigurationError(
                f"episode_steps must be positive, got {episode_steps}"
            )
        self._physics = CartPoleEnv()
        self._limits = np.array(
            [self._physics.x_threshold, self._physics.theta_threshold_radians]
        )
        # As wide as Gymnasium's, which leaves room for what ends an episode.
        high = (2 * self._limits).astype(np.float32)
        seen = spaces.Box(-high, high)
        super().__init__(n_instances, seen, spaces.Discrete(2), episode_steps)
        self._states = np.zeros((n_instances, 4))

    def read_options(
        self, options: Mapping[str, Any]
    ) -> Mapping[str, np.ndarray | None]:
        """Read the states to start from, ``state``."""
        given = read_reset_options(options, self.n_instances, {"state": (4,)})
        states = given["state"]
        if states is not None and not np.isfinite(states).all():
            told = np.asarray(options["state"]).tolist()
            raise ConfigurationError(f"reset option 'state' must be finite, got {told}")
        return given

    def _spawn(
        self,
        rows: np.ndarray,
        generators: Sequence[np.random.Generator],
        given: Mapping[str, np.ndarray | None],
    ) -> None:
        drawn = [g.uniform(-START_RANGE, START_RANGE, 4) for g in generators]
        state = given.get("state")
        self._states[rows] = drawn if state is None else state

    def _act(self, actions: np.ndarray, ignored: np.ndarray | None) -> Outcome:
        pushes = np.where(check_choices(actions, 2, ignored) == 1, 1.0, -1.0)
        speeds = np.stack([self._states[:, 1], self._states[:, 3]], axis=1)
        places = self._states[:, ::2] + self._physics.tau * speeds
        speeds += self._physics.tau * self._accelerations(pushes)
        self._states[:, ::2], self._states[:, 1::2] = places, speeds
        fallen = np.asarray((np.abs(places) > self._limits).any(axis=1))
        lasted = ~fallen & (self.elapsed_steps + 1 >= self.episode_steps)
        return Outcome(np.ones(self.n_instances), lasted, fallen)

    def _accelerations(self, pushes: np.ndarray) -> np.ndarray:
        """Return the accelerations of carts and poles, (B, 2), under pushes of -1 or 1.

        The equations are those of Barto, Sutton and Anderson (1983), without friction.
        """
        physics = self._physics
        _, _, angle, turning = self._states.T
        sine, cosine = np.sin(angle), np.cos(angle)
        force = physics.force_mag * pushes + physics.polemass_length * turning**2 * sine
        unhindered = force / physics.total_mass
        inertia = 4.0 / 3.0 - physics.masspole * cosine**2 / physics.total_mass
        pole = (physics.gravity * sine - cosine * unhindered) / physics.length / inertia
        cart = unhindered - physics.polemass_length * pole * cosine / physics.total_mass
        return np.stack([cart, pole], axis=1)

    def observe(self) -> np.ndarray:
        """Return places of the carts and angles of the poles."""
        return self._states[:, ::2].astype(np.float32)

    def draw(self) -> np.ndarray:
        """Draw carts and poles from the side."""
        length = 2 * self._physics.length  # Gymnasium's is half of it
        return draw_cart_poles(self._states[:, ::2], length, self._limits[0])

    def identity(self) -> dict[str, Any]:
        """Return how long episodes are."""
        return {"episode_steps": self.episode_steps}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return states and elapsed steps."""
        return {"states": self._states, "elapsed_steps": self.elapsed_steps}

    def check(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Check that every cart is somewhere."""
        if not np.isfinite(arrays["states"]).all():
            raise CheckpointError("the state has carts or poles that are nowhere")

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from there."""
        self._states = arrays["states"]
        self.elapsed_steps = arrays["elapsed_steps"]
