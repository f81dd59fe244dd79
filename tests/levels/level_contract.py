"""What every level must do, as functions that take a description of a case.

For your own level::

    CASE = LevelCase(recipe=lambda: MyLevel(...), action_space=Box(-1, 1, (2,)))

    @pytest.mark.parametrize("check", CONTRACT)
    def test_my_level(check, tmp_path):
        check(CASE, tmp_path)
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.hierarchies.space_fitting import ActionCheck
from layeredrl.levels import Level, LevelSpec, RunningLevel
from layeredrl.predictors import Predictor
from layeredrl.types import Observation, Transition
from layeredrl.utils.action_sampling import sample_features
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.observation_maps import Shape
from layeredrl.utils.recipe_codec import Describable
from layeredrl.utils.spaces import action_dim
from tests.same import assert_same, is_same

Groups = Callable[[np.ndarray], list[np.ndarray]]


@dataclass(frozen=True)
class LevelCase:
    """A level, and what the contract must know of it."""

    recipe: Callable[[], Level]
    """Describes the level anew at every call."""
    action_space: spaces.Space
    """Where it decides; bounded."""
    obs_shape: Shape = (3,)
    """What it sees, (O,), or a dict with the shapes of images beside the vector."""
    is_deterministic: bool = True
    """Whether its decisions draw no random numbers in evaluation mode."""
    n_instances: int = 4
    n_steps: int = 20
    """Steps that are driven between comparisons: enough for it to learn if it does."""
    parent_predictor: Callable[[], Predictor] | None = None
    """Makes the predictor of the level above, the same at every call."""


def build(case: LevelCase, seed: int = 0, keeps_buffer: bool = True) -> RunningLevel:
    """Build the running level, as a hierarchy would."""
    recipe = case.recipe()
    spec = LevelSpec(
        obs_shape=case.obs_shape,
        input_space=recipe.input_space(case.action_space),
        action_space=case.action_space,
        n_instances=case.n_instances,
        parent_predictor=case.parent_predictor and case.parent_predictor(),
        decision_interval=1,
        device=torch.device("cpu"),
        seed=np.random.SeedSequence(seed),
        keeps_buffer=keeps_buffer,
    )
    return recipe.build(spec)


class World:
    """Gives a level observations, inputs and episode ends, always the same for a seed.

    In every step some of the instances decide. What they meet does not depend on who
    else decides, or in which order.
    """

    def __init__(self, case: LevelCase, seed: int = 0):
        self.case = case
        self._rng = np.random.default_rng(seed)
        self._input_space = case.recipe().input_space(case.action_space)
        self._obs = self._observations()
        self._inputs = self._draw_inputs()
        self.n_env_steps = 0

    def step(self, level: RunningLevel, groups: Groups = lambda x: [x]) -> dict:
        """Let the level decide, tell it what that led to, and let it learn.

        Args:
            level: The level.
            groups: Splits the instances that decide into those that do so together.

        Returns:
            Decisions and control by instance, and what was learned.
        """
        n, rng = self.case.n_instances, self._rng
        active = np.flatnonzero(rng.random(n) < 0.8)
        next_obs, new_obs = self._observations(), self._observations()
        noise, n_env_steps = rng.normal(size=n), rng.integers(1, 4, n)
        terminated, truncated = rng.random(n) < 0.1, rng.random(n) < 0.1
        new_inputs = self._draw_inputs()
        action: dict[int, np.ndarray] = {}
        handed_back: dict[int, bool] = {}
        together = [group for group in groups(active) if len(group)]
        for rows in together:
            inputs = None if self._inputs is None else self._inputs[rows]
            decided = level.get_action(_rows(self._obs, rows), inputs, rows)
            action |= dict(zip(rows.tolist(), decided, strict=True))
        for rows in together:
            decided = np.stack([action[i] for i in rows])
            transition = Transition(
                instances=rows,
                obs=_rows(self._obs, rows),
                action=decided,
                level_input=None if self._inputs is None else self._inputs[rows],
                reward=noise[rows] + decided.sum(-1),
                next_obs=_rows(next_obs, rows),
                terminated=terminated[rows],
                truncated=truncated[rows],
                n_env_steps=n_env_steps[rows],
                info={},
            )
            back = level.process_transition(transition)
            assert back.shape == rows.shape and back.dtype == bool
            is_over = (terminated | truncated)[rows]
            if is_over.any():
                level.reset(rows[is_over])
            for key, value in self._obs.items():
                value[rows] = next_obs[key][rows]
                value[rows[is_over]] = new_obs[key][rows[is_over]]
            if self._inputs is not None and new_inputs is not None:
                asked_anew = rows[back | is_over]
                self._inputs[asked_anew] = new_inputs[asked_anew]
            handed_back |= dict(zip(rows.tolist(), back.tolist(), strict=True))
            self.n_env_steps += int(n_env_steps[rows].sum())
        learned = level.learn(self.n_env_steps)
        ordered = sorted(action)
        return {
            "instances": ordered,
            "action": [action[i] for i in ordered],
            "handed_back": [handed_back[i] for i in ordered],
            "learned": learned,
        }

    def drive(self, level: RunningLevel, **kwargs: Any) -> list[dict]:
        """Take as many steps as the case asks for."""
        return [self.step(level, **kwargs) for _ in range(self.case.n_steps)]

    def _observations(self) -> dict[str, np.ndarray]:
        shape = self.case.obs_shape
        shapes = shape if isinstance(shape, dict) else {"": shape}
        n = self.case.n_instances
        return {
            key: (
                self._rng.normal(size=(n, *s)).astype(np.float32)
                if len(s) == 1
                else self._rng.integers(0, 256, (n, *s)).astype(np.uint8)
            )
            for key, s in shapes.items()
        }

    def _draw_inputs(self) -> np.ndarray | None:
        if self._input_space is None:
            return None
        return sample_features(self._input_space, self.case.n_instances, self._rng)


def _rows(obs: dict[str, np.ndarray], rows: np.ndarray) -> Observation:
    parts = {key: value[rows] for key, value in obs.items()}
    return parts[""] if "" in parts else parts


def check_decisions_are_legal(case: LevelCase, tmp_path: Path) -> None:
    """Decisions are float32 features in the space, in training and in evaluation."""
    level = build(case)
    check = ActionCheck(case.action_space, type(level).__name__)
    world = World(case)
    for mode in (level.train, level.eval):
        mode()
        for step in world.drive(level):
            action = np.array(step["action"]).reshape(-1, action_dim(case.action_space))
            assert action.dtype == np.float32
            check(action, np.array(step["instances"]))


def check_grouping_does_not_matter(case: LevelCase, tmp_path: Path) -> None:
    """An instance decides the same whoever decides with it, and in whatever order."""
    if not case.is_deterministic:
        return
    together = [step["action"] for step in _drive_in_groups(case, lambda x: [x])]
    groupings: list[Groups] = [
        lambda x: [x[::-1].copy()],
        lambda x: [x[i : i + 1] for i in range(len(x))],
        lambda x: [x[1::2], x[::2]],
    ]
    for groups in groupings:
        actions = [step["action"] for step in _drive_in_groups(case, groups)]
        for one, other in zip(together, actions, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    alone = _drive_in_groups(case, lambda x: [x[x == 1]])
    for step, lonely in zip(_drive_in_groups(case, lambda x: [x]), alone, strict=True):
        expected = [a for i, a in zip(step["instances"], step["action"]) if i == 1]
        np.testing.assert_allclose(expected, lonely["action"], rtol=1e-4, atol=1e-5)


def _drive_in_groups(case: LevelCase, groups: Groups) -> list[dict]:
    level = build(case)
    level.eval()
    return World(case).drive(level, groups=groups)


def check_reset_forgets_the_episode(case: LevelCase, tmp_path: Path) -> None:
    """After a reset a level decides as one that has just been built."""
    used, fresh = build(case), build(case, seed=1)
    World(case, seed=1).drive(used)
    fresh.load_acting_state(used.acting_state())
    used.reset(np.arange(case.n_instances))
    for level in (used, fresh):
        level.eval()
    if case.is_deterministic:
        assert_same(*(_actions(World(case, seed=2).drive(x)) for x in (used, fresh)))


def _actions(steps: list[dict]) -> list:
    return [(step["action"], step["handed_back"]) for step in steps]


def check_loading_continues_exactly(case: LevelCase, tmp_path: Path) -> None:
    """Save, load into another level, continue: the same as continuing, bit for bit."""
    level = build(case)
    world = World(case)
    world.drive(level)
    content = {"level": level.state_dict(), "buffer": level.buffer_state()}
    save_checkpoint(tmp_path / "level.pt", "level", content)
    loaded = build(case, seed=99)
    saved = load_checkpoint(tmp_path / "level.pt", "level")
    loaded.load_state_dict(saved["level"])
    loaded.load_buffer_state(saved["buffer"])
    other_world = copy.deepcopy(world)
    assert_same(world.drive(level), other_world.drive(loaded))
    assert_same(level.state_dict(), loaded.state_dict())
    assert_same(level.buffer_state(), loaded.buffer_state())
    assert_same(level.acting_state(), loaded.acting_state())


def check_states_are_copies(case: LevelCase, tmp_path: Path) -> None:
    """A state that was read stays as it is; levels that loaded it stay apart."""
    level = build(case)
    world = World(case)
    world.drive(level)
    states = [level.state_dict(), level.acting_state(), level.buffer_state()]
    before = copy.deepcopy(states)
    other = build(case, seed=1)
    other.load_state_dict(states[0])
    other.load_acting_state(states[1])
    other.load_buffer_state(states[2])
    own = copy.deepcopy(other.state_dict()), copy.deepcopy(other.buffer_state())
    world.drive(level)
    assert_same(before, states)
    assert_same(own, (other.state_dict(), other.buffer_state()))
    assert not shared_memory(level, other)
    assert not shared_memory(level, states) and not shared_memory(other, states)


def check_acting_copy_disturbs_nothing(case: LevelCase, tmp_path: Path) -> None:
    """A copy acts as the level does, keeps no data, and shares no memory with it."""
    level = build(case)
    World(case).drive(level)
    acting = build(case, seed=1, keeps_buffer=False)
    acting.load_acting_state(level.acting_state())
    acting.eval()
    assert acting.buffer_state() == {}
    assert not shared_memory(level, acting)
    before = copy.deepcopy((level.state_dict(), level.buffer_state()))
    acted = _actions(World(case, seed=2).drive(acting))
    assert_same(before, (level.state_dict(), level.buffer_state()))
    if case.is_deterministic:
        level.eval()
        level.reset(np.arange(case.n_instances))
        assert_same(acted, _actions(World(case, seed=2).drive(level)))


def check_acting_copy_of_another_size(case: LevelCase, tmp_path: Path) -> None:
    """What acting needs does not depend on the number of instances."""
    level = build(case)
    World(case).drive(level)
    bigger = LevelCase(**{f.name: getattr(case, f.name) for f in fields(case)})
    object.__setattr__(bigger, "n_instances", case.n_instances + 3)
    acting = build(bigger, keeps_buffer=False)
    acting.load_acting_state(level.acting_state())
    acting.eval()
    World(bigger).drive(acting)
    assert_same(level.acting_state(), acting.acting_state())


def check_evaluation_changes_nothing(case: LevelCase, tmp_path: Path) -> None:
    """In evaluation mode nothing is stored, and nothing is learned."""
    level = build(case)
    world = World(case)
    world.drive(level)
    before = copy.deepcopy((level.acting_state(), level.buffer_state()))
    level.eval()
    for step in world.drive(level):
        assert step["learned"] == {}
    after = level.acting_state(), level.buffer_state()
    for _, buffer in (before, after):
        buffer.pop("has_gap", None)  # that decisions were left out may be noted
    assert_same(before, after)


def check_seeds(case: LevelCase, tmp_path: Path) -> None:
    """The same seed gives the same run; global generators neither help nor suffer."""
    runs = []
    for seed, global_seed in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        level = build(case, seed)
        steps = World(case).drive(level)
        runs.append((steps, level.state_dict(), level.acting_state()))
        after = torch.get_rng_state(), np.random.get_state()[1]
        assert_same(before, after, "global generators")
    assert_same(runs[0], runs[1])
    if not case.is_deterministic:
        assert not is_same(runs[0], runs[2])


def check_recipe_is_immutable(case: LevelCase, tmp_path: Path) -> None:
    """A recipe stays as it is, however many levels are built and driven from it."""
    recipe = case.recipe()
    for field in fields(recipe):  # type: ignore[arg-type]
        try:
            setattr(recipe, field.name, None)
        except FrozenInstanceError:
            continue
        raise AssertionError(f"{field.name} of a recipe can be changed")
    fixed = replace(case, recipe=lambda: recipe)
    one, other = build(fixed), build(fixed)
    assert not shared_memory(one, other)
    World(case).drive(one)
    assert_same(other.state_dict(), build(fixed).state_dict())


def shared_memory(*things: Any) -> set[int]:
    """Find memory of tensors and arrays that several things hold."""
    addresses = [set(_addresses(thing, set())) for thing in things]
    return set.intersection(*addresses)


_SHARED_BY_DESIGN = (
    Describable,
    FunctionType,
    Level,
    LevelSpec,
    np.random.SeedSequence,
    partial,
    spaces.Space,
    type,
)


def _addresses(thing: Any, seen: set[int]) -> Iterator[int]:
    """Walk through everything that belongs to a thing, but not its description."""
    shared_by_design = (Level, LevelSpec, Describable, spaces.Space, partial, type)
    if (
        id(thing) in seen
        or isinstance(thing, shared_by_design)
        or callable(getattr(thing, "__wrapped__", None))
    ):
        return
    seen.add(id(thing))
    if isinstance(thing, torch.Tensor):
        yield from [thing.untyped_storage().data_ptr()] if thing.numel() else []
    elif isinstance(thing, np.ndarray):
        yield from [thing.__array_interface__["data"][0]] if thing.size else []
    else:
        for part in _parts(thing):
            yield from _addresses(part, seen)


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, Mapping):
        return [*thing.keys(), *thing.values()]
    if isinstance(thing, list | tuple | set):
        return list(thing)
    is_module = isinstance(thing, type(np))
    return [] if is_module else list(getattr(thing, "__dict__", {}).values())


CONTRACT = (
    check_decisions_are_legal,
    check_grouping_does_not_matter,
    check_reset_forgets_the_episode,
    check_loading_continues_exactly,
    check_states_are_copies,
    check_acting_copy_disturbs_nothing,
    check_acting_copy_of_another_size,
    check_evaluation_changes_nothing,
    check_seeds,
    check_recipe_is_immutable,
)
