"""The plumbing between levels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import VectorEnv

from layeredrl.errors import (
    CheckpointError,
    ConfigurationError,
    ObservationError,
    ShapeError,
)
from layeredrl.hierarchies.control_flow import ControlFlow
from layeredrl.hierarchies.persistence import (
    Recipe,
    load_buffers,
    read_recipe,
    restore_hierarchy,
    save_buffers,
    save_hierarchy,
)
from layeredrl.hierarchies.space_fitting import (
    ActionCheck,
    check_same_spaces,
    decision_intervals,
    resolve_spaces,
)
from layeredrl.levels import (
    ForwardedDecisions,
    Level,
    LevelLog,
    LevelSpec,
    RunningLevel,
)
from layeredrl.types import Observation
from layeredrl.utils.checkpoints import to_array
from layeredrl.utils.observation_maps import (
    MapDescription,
    is_same_map,
    observation_map,
)
from layeredrl.utils.seeding import spawn
from layeredrl.utils.spaces import ObservationLayout, features_to_action, single_spaces

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Hierarchy:
    """Levels stacked on one another, acting in all environment instances.

    A level decides; what it decides is the input of the level below, down to the
    environment. When the level below hands control back, the decision is over: it has
    become one semi-MDP transition of the level, and the level decides anew. An episode's
    end ends the decisions of all levels.

    Attributes:
        levels: The running levels, from top to bottom.
        is_training: Whether levels explore, store and learn.
        n_env_steps: Environment steps processed while training.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        env: gym.Env | VectorEnv,
        obs_maps: Sequence[MapDescription] | None = None,
        device: torch.device | str = "cpu",
        seed: int | np.random.SeedSequence = 0,
        writer: "SummaryWriter | None" = None,
        keeps_buffers: bool = True,
    ):
        """Resolve the spaces bottom-up, then build the levels top-down.

        Args:
            levels: Descriptions of the levels, from top to bottom, at least one.
            env: An environment, for one instance without batch axis, or a vector
                environment. Only its spaces and size are looked at.
            obs_maps: What each level sees, from top to bottom: ``None`` for everything,
                a list of keys or columns, or (function, space). ``None`` for all levels
                seeing everything.
            device: Where the levels' networks live.
            seed: Root of all randomness in the levels.
            writer: Handed to the levels' predictors.
            keeps_buffers: Whether levels keep replay buffers; acting copies do not.

        Raises:
            ConfigurationError: If there are no levels, or not one map per level, or
                ``env`` is no environment, or there is no such device.
            SpaceError: If spaces cannot be fitted, or a map does not fit.
        """
        maps = [None] * len(levels) if obs_maps is None else list(obs_maps)
        if not levels or len(maps) != len(levels):
            raise ConfigurationError(
                "a hierarchy needs at least one level and as many observation maps as "
                f"levels, got {len(levels)} levels and {len(maps)} maps"
            )
        self._recipe = (tuple(levels), tuple(maps))
        self.observation_space, self.action_space = single_spaces(env)
        self._is_vector = isinstance(env, VectorEnv)
        self.n_instances = env.num_envs if isinstance(env, VectorEnv) else 1
        self._layout = ObservationLayout.of(self.observation_space)
        self._maps = [observation_map(m, self._layout) for m in maps]
        self._device = _find_device(device)
        self._action_spaces = resolve_spaces(levels, self.action_space)
        checks = [
            ActionCheck(space, f"level {i} ({type(level).__name__})")
            for i, (space, level) in enumerate(
                zip(self._action_spaces, levels, strict=True)
            )
        ]
        self.levels = self._build(spawn(seed, len(levels)), writer, keeps_buffers)
        self._flow = ControlFlow(self.levels, self._maps, checks, self.n_instances)
        self.is_training = True
        self.n_env_steps = 0
        self._active = np.zeros(self.n_instances, dtype=bool)

    def _build(
        self,
        seeds: Sequence[np.random.SeedSequence],
        writer: "SummaryWriter | None",
        keeps_buffers: bool,
    ) -> list[RunningLevel]:
        recipes, maps = self._recipe
        intervals = decision_intervals(recipes)
        built: list[RunningLevel] = []
        for i, recipe in enumerate(recipes):
            spec = LevelSpec(
                obs_shape=self._maps[i].shape,
                input_space=self._action_spaces[i - 1] if i else None,
                action_space=self._action_spaces[i],
                n_instances=self.n_instances,
                parent_predictor=built[i - 1].predictor if i else None,
                shares_view=i == 0 or is_same_map(maps[i - 1], maps[i]),
                decision_interval=intervals[i],
                device=self._device,
                seed=seeds[i],
                keeps_buffer=keeps_buffers,
                writer=writer,
            )
            built.append(recipe.build(spec))
        return built

    def train(self) -> None:
        """Explore, store and learn from now on."""
        self.is_training = True
        for level in self.levels:
            level.train()

    def eval(self) -> None:
        """Act as well as possible from now on; store and learn nothing."""
        self.is_training = False
        for level in self.levels:
            level.eval()

    def reset(self, instances: np.ndarray | None = None) -> None:
        """Begin new episodes; decisions in progress are dropped.

        Args:
            instances: Which instances, int64 indices or a boolean mask; ``None`` for
                all.
        """
        every = np.arange(self.n_instances)
        instances = every if instances is None else every[instances]
        self._active[instances] = False
        self._flow.reset(instances)

    def get_action(self, obs: Any, active: np.ndarray | None = None) -> Any:
        """Decide in all levels that are due, from top to bottom.

        Args:
            obs: Observations as the environment gives them: batched for a vector
                environment, a single one otherwise.
            active: Which instances need an action, (n_instances,) bool; the others get
                an arbitrary one. ``None`` for all.

        Returns:
            Actions for the environment, (n_instances, ...), or a single one.

        Raises:
            ObservationError: If an active instance's observation is NaN or infinite, or
                does not fit its space.
            LevelInputError: If a level emits something outside the space below.
            ShapeError: If ``active`` is no mask of all instances.
        """
        active = self._mask(active)
        features = self._flow.decide(self._flatten(obs, active), active)
        self._active = active
        actions = features_to_action(self.action_space, features)
        return actions if self._is_vector else actions[0]

    def process_transition(
        self,
        next_obs: Any,
        reward: Any,
        terminated: Any,
        truncated: Any,
        info: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Report what the last actions led to, from the bottom level to the top.

        Nothing is stored or counted anywhere if something is wrong with the arguments.

        Args:
            next_obs: The observations after the step; true final ones where an episode
                ended, never those of a reset.
            reward: Rewards of the step, (n_instances,), or a number.
            terminated: Whether the environment ended the episode.
            truncated: Whether the episode was cut off.
            info: What the environment tells beside it; its arrays of numbers,
                (n_instances, ...), or its numbers where there is a single instance, are
                handed to the levels, all else is left out.

        Raises:
            ObservationError: If an active instance's observation or reward is NaN or
                infinite, or does not fit.
            ShapeError: If the arrays do not have one entry per instance.
        """
        active = self._active
        step = (
            self._flatten(next_obs, active),
            self._finite_reward(reward, active),
            self._per_instance(terminated, np.bool_, "terminated"),
            self._per_instance(truncated, np.bool_, "truncated"),
            self._numbers(info or {}),
        )
        self._active = np.zeros(self.n_instances, dtype=bool)
        if self.is_training:
            self.n_env_steps += int(active.sum())
        self._flow.report(*step, active)

    def seen_by(
        self, level: int, obs: Any, active: np.ndarray | None = None
    ) -> Observation:
        """Look at observations as a level does; changes nothing.

        Args:
            level: Which level, 0 at the top.
            obs: Observations as the environment gives them.
            active: Whose observations have to be finite, (n_instances,) bool; ``None`` for
                all.

        Returns:
            What the level's observation map makes of them, (n_instances, O) float32, or a
            dict of such where images stay apart.

        Raises:
            ObservationError: If an active instance's observation is NaN or infinite, or
                does not fit its space.
            ShapeError: If ``active`` is no mask of all instances.
        """
        return self._maps[level](self._flatten(obs, self._mask(active)))

    def learn(self) -> dict[str, float]:
        """Let every level learn that is due.

        Returns:
            Numbers to log, prefixed by the level's place, ``level0/...`` at the top.
        """
        metrics: dict[str, float] = {}
        for i, level in enumerate(self.levels):
            learned = level.learn(self.n_env_steps)
            metrics |= {f"level{i}/{name}": value for name, value in learned.items()}
        return metrics

    def log(self) -> LevelLog:
        """Ask every level what was going on since the last call.

        Returns:
            Numbers and samples, prefixed as those of :meth:`learn`.
        """
        told = LevelLog({}, {})
        for i, level in enumerate(self.levels):
            numbers, samples = level.log()
            told.numbers.update({f"level{i}/{k}": x for k, x in numbers.items()})
            told.samples.update({f"level{i}/{k}": x for k, x in samples.items()})
        return told

    @property
    def recipe(self) -> Recipe:
        """Descriptions of its levels and of what each of them sees."""
        return self._recipe

    def start_forwarding(self) -> None:
        """Hand out from now on what levels store, for a hierarchy elsewhere.

        Raises:
            ConfigurationError: If a level cannot.
        """
        for level in self.levels:
            level.start_forwarding()

    def take_forwarded(self) -> list[ForwardedDecisions | None]:
        """Hand out what the last environment step brought.

        Returns:
            What each level stores; ``None`` for those that store nothing.
        """
        return [level.take_forwarded() for level in self.levels]

    def add_forwarded(
        self, forwarded: Sequence[ForwardedDecisions | None], n_env_steps: int
    ) -> None:
        """Store what a hierarchy like this one hands out elsewhere.

        Args:
            forwarded: What each level stores of one environment step.
            n_env_steps: How many instances took that step.
        """
        self.n_env_steps += n_env_steps
        for level, own in zip(self.levels, forwarded, strict=True):
            if own is not None:
                level.add_forwarded(own)

    def env_steps_of_policy(self) -> int | None:
        """Count the environment steps that may be taken before a level has to learn.

        Returns:
            Their number, at least 1; ``None`` if no level learns on-policy.
        """
        counts = [level.env_steps_of_policy(self.n_env_steps) for level in self.levels]
        return min((n for n in counts if n is not None), default=None)

    def acting_state(self) -> dict[str, Any]:
        """Copy what acting needs, without buffers, optimizers and generators.

        Returns:
            Weights, statistics and counters of every level.
        """
        return {"levels": [level.acting_state() for level in self.levels]}

    def load_acting_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`acting_state` returned.

        Args:
            state: The state.
        """
        for level, saved in zip(self.levels, state["levels"], strict=True):
            level.load_acting_state(saved)

    def acting_copy(
        self, env: gym.Env | VectorEnv, seed: int | np.random.SeedSequence
    ) -> "Hierarchy":
        """Build another hierarchy that acts as this one does now, and shares nothing.

        Args:
            env: Where it will act; of the same spaces, of any size.
            seed: Root of its randomness.

        Returns:
            The copy, in evaluation mode.

        Raises:
            SpaceError: If the environment has other spaces.
        """
        self.check_env(env)
        levels, maps = self._recipe
        copy = Hierarchy(
            levels, env, maps, device=self._device, seed=seed, keeps_buffers=False
        )
        copy.load_acting_state(self.acting_state())
        copy.eval()
        return copy

    def check_env(self, env: gym.Env | VectorEnv) -> None:
        """Refuse an environment for which this hierarchy was not made.

        Args:
            env: An environment; its size does not matter.

        Raises:
            SpaceError: If it has other spaces.
            ConfigurationError: If it is no environment.
        """
        check_same_spaces(env, self.observation_space, self.action_space)

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes, but for the replay buffers.

        Returns:
            Tensors, arrays and plain values.
        """
        return {
            "n_env_steps": self.n_env_steps,
            "active": self._active.copy(),
            "levels": [level.state_dict() for level in self.levels],
            "flow": self._flow.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Args:
            state: The state.
        """
        for level, saved in zip(self.levels, state["levels"], strict=True):
            level.load_state_dict(saved)
        self._flow.load_state_dict(state["flow"])
        self.n_env_steps = int(state["n_env_steps"])
        self._active = self._mask(to_array(state["active"]))

    def save(self, path: str | Path, with_buffers: bool = True) -> None:
        """Write everything that changes to one file, atomically.

        Args:
            path: The file; a file that is there is replaced once the new one is whole.
            with_buffers: Whether replay buffers are written too.

        Raises:
            CheckpointError: If it cannot be written; an old file is untouched then.
        """
        save_hierarchy(self, self._recipe, path, with_buffers)

    def restore(self, path: str | Path) -> None:
        """Continue from where a hierarchy of the same build was saved.

        Args:
            path: What :meth:`save` wrote.

        Raises:
            CheckpointError: If the file is truncated, foreign, newer, or of another
                hierarchy; nothing has changed then.
        """
        restore_hierarchy(self, path)

    @classmethod
    def load(
        cls,
        path: str | Path,
        env: gym.Env | VectorEnv,
        device: torch.device | str = "cpu",
        seed: int = 0,
        trusted: Sequence[str] = (),
    ) -> "Hierarchy":
        """Rebuild a saved hierarchy, ready to act.

        Args:
            path: What :meth:`save` wrote.
            env: Where it will act; of the same spaces, of any number of instances.
            device: Where its networks live.
            seed: Root of its randomness.
            trusted: Packages beside ours from which the file may name classes and
                functions.

        Returns:
            The hierarchy, in evaluation mode and without replay buffers.

        Raises:
            CheckpointError: If the file is truncated, foreign or newer, does not say how
                its levels are built, or does not fit the environment.
        """
        (levels, maps), acting = read_recipe(path, env, trusted)
        try:
            hierarchy = cls(levels, env, maps, device, seed, keeps_buffers=False)
            hierarchy.load_acting_state(acting)
        except Exception as error:  # whatever the file leads to, it is the file's fault
            raise CheckpointError(f"{path} does not fit {env}: {error!r}") from error
        hierarchy.eval()
        return hierarchy

    def save_buffers(self, path: str | Path) -> None:
        """Write the levels' replay buffers to one file, atomically.

        Args:
            path: The file.

        Raises:
            CheckpointError: If it cannot be written.
        """
        save_buffers(self, path)

    def load_buffers(self, path: str | Path) -> None:
        """Read what :meth:`save_buffers` wrote; new episodes begin.

        Args:
            path: The file.

        Raises:
            CheckpointError: If the file is not whole, or of another hierarchy; nothing
                has changed then.
        """
        load_buffers(self, path)

    def _flatten(self, obs: Any, active: np.ndarray) -> Observation:
        if not self._is_vector:
            obs = _with_batch_axis(obs)
        return self._layout.flatten(obs, self.n_instances, active)

    def _mask(self, active: np.ndarray | None) -> np.ndarray:
        if active is None:
            return np.ones(self.n_instances, dtype=bool)
        active = np.array(active)
        if active.shape != (self.n_instances,) or active.dtype != bool:
            raise ShapeError(
                f"active must be a boolean mask of shape ({self.n_instances},), got "
                f"{active!r}"
            )
        return active

    def _finite_reward(self, reward: Any, active: np.ndarray) -> np.ndarray:
        reward = self._per_instance(reward, np.float64, "reward")
        wrong = np.flatnonzero(active & ~np.isfinite(reward))
        if wrong.size:
            raise ObservationError(
                f"the reward of instance {wrong[0]} is {reward[wrong[0]]}"
            )
        return reward

    def _numbers(self, info: Mapping[str, Any]) -> dict[str, np.ndarray]:
        kinds = (
            (np.ndarray,) if self._is_vector else (np.ndarray, np.generic, float, int)
        )
        arrays = {
            key: np.asarray(value) if self._is_vector else np.asarray(value)[None]
            for key, value in info.items()
            if isinstance(value, kinds)
        }
        return {
            key: array
            for key, array in arrays.items()
            if array.dtype.kind in "biuf" and array.shape[:1] == (self.n_instances,)
        }

    def _per_instance(self, value: Any, dtype: type, name: str) -> np.ndarray:
        array: np.ndarray = np.asarray(value, dtype=dtype)
        if not self._is_vector:
            array = array.reshape(-1)
        if array.shape != (self.n_instances,):
            raise ShapeError(
                f"{name} has shape {array.shape}, expected ({self.n_instances},)"
            )
        return array


def _with_batch_axis(obs: Any) -> Any:
    if isinstance(obs, Mapping):
        return {key: _with_batch_axis(value) for key, value in obs.items()}
    if isinstance(obs, tuple):
        return tuple(_with_batch_axis(value) for value in obs)
    return np.asarray(obs)[None]


def _find_device(device: torch.device | str) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    # A build of torch without CUDA raises the latter.
    except (RuntimeError, AssertionError) as error:
        first = str(error).partition("\n")[0]
        raise ConfigurationError(f"there is no device {device!r}: {first}") from error
