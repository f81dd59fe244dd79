"""A native vector environment made of a world: all instances step in numpy at once."""

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from layeredrl.envs.maze_rendering import check_render_mode
from layeredrl.envs.states import (
    check_state,
    generators_to_words,
    words_to_generators,
)
from layeredrl.envs.vector_arguments import (
    check_action_shape,
    check_autoreset_mode,
    check_reset_mask,
    spread_seeds,
    step_limit,
)
from layeredrl.envs.vector_infos import row_of, told_infos
from layeredrl.envs.world import World


class WorldVectorEnv(VectorEnv[Any, Any, Any], ABC):
    """The instances of a world, with seeds, limits and resets.

    It does what Gymnasium's ``SyncVectorEnv`` of single environments does, number for
    number: instance i has its own generator, seeded with ``seed + i``. All arrays that it
    returns are the caller's to keep and change.

    Attributes:
        world: The world.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self,
        world: World,
        *,
        max_episode_steps: int | None,
        autoreset_mode: str | AutoresetMode,
        render_mode: str | None,
    ) -> None:
        """Set up the environment.

        Args:
            world: The world; its number of instances is B.
            max_episode_steps: Steps after which an episode is truncated, if the world does
                not do so before; ``None`` or -1 for never.
            autoreset_mode: When an instance is reset after its episode's end.
            render_mode: ``"rgb_array"``, or ``None``.
        """
        self.world = world
        self.num_envs = world.n_instances
        self.autoreset_mode = check_autoreset_mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = check_render_mode(render_mode)
        self.single_observation_space = world.observation_space
        self.single_action_space = world.action_space
        self.observation_space = batch_space(world.observation_space, self.num_envs)
        self.action_space = batch_space(world.action_space, self.num_envs)
        self._limit = min(step_limit(max_episode_steps), world.episode_steps)
        self._generators: list[np.random.Generator | None] = [None] * self.num_envs
        self._seeds = [-1] * self.num_envs
        # Whose episode has ended and is not yet followed by a new one.
        self._over = np.zeros(self.num_envs, dtype=bool)
        self._is_started = False

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The generators, one per instance; made with random seeds where there is none."""
        self._seed_generators([None] * self.num_envs, range(self.num_envs))
        return tuple(g for g in self._generators if g is not None)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """Their seeds; -1 where the generator comes from a restored state."""
        self._seed_generators([None] * self.num_envs, range(self.num_envs))
        return tuple(self._seeds)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start episodes.

        Args:
            seed: Seeds of the instances' generators: i gets ``seed + i``, or the i-th of
                a sequence; ``None`` goes on with the generator.
            options: ``"reset_mask"``: which instances to reset, (B,) bool. All others: what
                to use instead of random choices, see the class.

        Returns:
            Observations of all instances, and infos of those that were reset.
        """
        placed = dict(options or {})
        mask = check_reset_mask(placed.pop("reset_mask", None), self.num_envs)
        given = self.world.read_options(placed)
        seeds = spread_seeds(seed, self.num_envs)
        if not (self._is_started or mask.all()):
            raise gym.error.ResetNeeded("the first reset must be of all instances")
        rows = np.flatnonzero(mask)
        self._seed_generators(seeds, rows)
        self._start(rows, given)
        self._over[rows] = False
        self._is_started = True
        success = np.zeros(self.num_envs, dtype=bool)
        return self.world.observe(), self._infos(success, mask)

    def step(
        self, actions: Any
    ) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Let all instances do a step.

        Args:
            actions: Actions of the ``action_space``, (B, ...), see the class. Those of
                instances that this step resets (``NEXT_STEP``) are ignored.

        Returns:
            Observations, rewards, terminated and truncated, (B,) each, and infos.
        """
        actions = check_action_shape(actions, self.action_space.shape or ())
        resets = self._due_resets()
        rewards, success, terminated = self.world.advance(actions, resets)
        if resets is not None:
            self._start(np.flatnonzero(resets), {})
            rewards[resets] = 0.0
            success &= ~resets
            terminated &= ~resets
        truncated = self.world.elapsed_steps >= self._limit
        over = terminated | truncated
        final: dict[str, Any] = {}
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            self._over = over
        elif over.any():
            final = self._final_infos(over, success)
            self._start(np.flatnonzero(over), {})
            success = success & ~over
        infos = self._infos(success, np.ones(self.num_envs, dtype=bool)) | final
        return self.world.observe(), rewards, terminated, truncated, infos

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Draw the environments.

        Returns:
            One picture (height, width, 3) uint8 per instance, or ``None`` without a render
            mode.
        """
        if self.render_mode is None:
            gym.logger.warn('pass render_mode="rgb_array" to render')
            return None
        self._check_started()
        return tuple(self.world.draw())

    def get_state(self) -> dict[str, Any]:
        """Return all that decides what happens next, as arrays and plain values.

        Returns:
            A state: the world's, among it ``elapsed_steps`` (B,) int64; ``generators``
            (B, 6) int64; and ``over``: whose episode has ended and is not yet followed by
            a new one, (B,) bool.
        """
        self._check_started()
        return {
            **self.world.identity(),
            **{key: array.copy() for key, array in self.world.arrays().items()},
            "generators": generators_to_words(self.np_random),
            "over": self._over.copy(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state; a reset is not needed before.

        Args:
            state: What ``get_state`` returned, here or in an environment like this one.

        Raises:
            CheckpointError: The state is of another environment, of another number of
                instances, or otherwise does not fit.
        """
        like = {
            **self.world.arrays(),
            "generators": np.zeros((self.num_envs, 6), dtype=np.int64),
            "over": self._over,
        }
        arrays = check_state(state, self.world.identity(), like)
        self.world.check(arrays)
        self.world.restore(arrays)
        self._over = arrays["over"]
        self._generators = list(words_to_generators(arrays["generators"]))
        self._seeds = [-1] * self.num_envs
        self._is_started = True

    def _check_started(self) -> None:
        if not self._is_started:
            raise gym.error.ResetNeeded("call reset (or set_state) first")

    def _due_resets(self) -> np.ndarray | None:
        """Say which instances this step resets, (B,) bool, or ``None`` for none."""
        self._check_started()
        if not self._over.any():
            return None
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise gym.error.ResetNeeded(
                f"the episodes of instances {np.flatnonzero(self._over).tolist()} are "
                'over: call reset(options={"reset_mask": mask})'
            )
        return self._over

    def _seed_generators(
        self, seeds: Sequence[int | None], rows: Sequence[int] | np.ndarray
    ) -> None:
        for i in rows:
            if seeds[i] is not None or self._generators[i] is None:
                self._generators[i], self._seeds[i] = seeding.np_random(seeds[i])

    def _start(self, rows: np.ndarray, given: Mapping[str, np.ndarray | None]) -> None:
        generators = [g for i in rows if (g := self._generators[i]) is not None]
        self.world.start(rows, generators, given)

    def _final_infos(self, over: np.ndarray, success: np.ndarray) -> dict[str, Any]:
        last = self.world.observe()
        final_obs = np.full(self.num_envs, None, dtype=object)
        for i in np.flatnonzero(over):
            final_obs[i] = row_of(last, int(i))
        return {
            "final_obs": final_obs,
            "_final_obs": over.copy(),
            "final_info": self._infos(success, over),
            "_final_info": over.copy(),
        }

    def _infos(self, success: np.ndarray, told: np.ndarray) -> dict[str, Any]:
        return told_infos({"success": success, **self.world.infos()}, told)
