"""Saving, and what files that are not as they should be lead to."""

import copy
import os
import pickle
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import CheckpointError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import (
    ActionSequenceLevel,
    ConstantLevel,
    RandomLevel,
    RunningPlannerLevel,
)
from layeredrl.models import ProbabilisticEnsemble
from layeredrl.nets import ProbFCDynamics
from layeredrl.planners import CEMPlanner, PlannerConfig
from layeredrl.predictors import PredictorFactory
from layeredrl.utils import recipe_codec
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from tests.hierarchies.acting import Life, everything
from tests.same import assert_same, is_same
from tests.toy_envs import BOX, Line, Spaces, lines, unbounded
from tests.toy_levels import (
    QUICK_CEM,
    QUICK_CHOICE,
    SMALL_PREDICTOR,
    Counter,
    Diary,
    RunningCounter,
    planner_level,
    predictor_with,
    steady_level,
)

N = 3
CHOICES = spaces.Discrete(3, start=5)
STACKS = {
    "planner": ([planner_level()], BOX),
    "planner-over-sequences": ([planner_level(), ActionSequenceLevel(2)], BOX),
    "three-levels": (
        [planner_level(), ActionSequenceLevel(2), ActionSequenceLevel(2)],
        BOX,
    ),
    "choices": (
        [
            planner_level(
                partial_planner=QUICK_CHOICE,
                exploration=replace(planner_level().exploration, noise_std=0.0),
            ),
            ActionSequenceLevel(2),
        ],
        CHOICES,
    ),
    "memory": ([planner_level(predictor_factory=predictor_with(Diary))], BOX),
    "random": ([RandomLevel(), ActionSequenceLevel(3)], BOX),
}


def build(levels=None, actions=BOX, n=N, seed=0, **kwargs):
    return Hierarchy(levels or [planner_level()], lines(n, actions=actions), **kwargs)


def lived(levels=None, actions=BOX, n_steps=25, seed=0, **kwargs):
    """A hierarchy with a past, in the middle of episodes."""
    life = Life(build(levels, actions, seed=seed, **kwargs), lines(N, actions=actions))
    life.live(n_steps)
    return life.hierarchy


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hierarchy.pt"


# Continuing


@pytest.mark.parametrize("stop", [4, 17])
@pytest.mark.parametrize("stack", STACKS)
def test_restoring_continues_as_if_nothing_had_been(stack, stop, path):
    levels, actions = STACKS[stack]
    life = Life(build(levels, actions), lines(N, actions=actions))
    life.live(stop)
    life.hierarchy.save(path)
    other = copy.copy(life)
    other.env = copy.deepcopy(life.env)
    other.hierarchy = lived(levels, actions, n_steps=9, seed=5)  # has another past
    other.hierarchy.restore(path)
    assert_same(everything(life.hierarchy), everything(other.hierarchy))
    assert_same(life.live(25), other.live(25))
    assert_same(everything(life.hierarchy), everything(other.hierarchy))
    if "random" not in stack:
        assert life.hierarchy.levels[0].n_updates > 0


def test_saving_disturbs_nothing(path):
    lives = [Life(build(), lines(N)) for _ in "ab"]
    for step in range(20):
        assert_same(lives[0].live(1), lives[1].live(1))
        lives[1].hierarchy.save(path)
    assert_same(*(everything(life.hierarchy) for life in lives))


def test_without_buffers_new_episodes_begin_in_the_buffer(path):
    hierarchy = lived()
    hierarchy.save(path, with_buffers=False)
    fresh = build()
    fresh.restore(path)
    assert_same(hierarchy.state_dict(), fresh.state_dict())
    assert len(fresh.levels[0].buffer) == 0
    used = lived(n_steps=4)
    assert not used.levels[0].buffer.done[used.levels[0].buffer.last_index].all()
    used.restore(path)
    newest = used.levels[0].buffer.last_index.copy()
    Life(used, lines(N)).live(1)
    assert used.levels[0].buffer.done[newest].all()  # not stitched together


def test_the_mode_stays_as_it_is(path):
    hierarchy = lived()
    hierarchy.save(path)
    hierarchy.eval()
    hierarchy.restore(path)
    assert not hierarchy.is_training and not hierarchy.levels[0].is_training


# Buffers by themselves


def test_buffers_round_trip(tmp_path):
    hierarchy, other = lived(), lived(n_steps=3, seed=1)
    state = other.acting_state()
    hierarchy.save_buffers(tmp_path / "new" / "buffers.pt")
    other.load_buffers(str(tmp_path / "new" / "buffers.pt"))
    assert_same(other.acting_state(), state)
    one, two = (h.levels[0].buffer.state_dict() for h in (hierarchy, other))
    # The buffer came without its episodes, so what is stored next begins new ones.
    one.pop("has_gap")
    assert two.pop("has_gap").all()
    assert_same(one, two)


def test_after_loading_buffers_new_episodes_begin(path):
    hierarchy, other = lived(), build()
    hierarchy.save_buffers(path)
    other.load_buffers(path)
    buffer = other.levels[0].buffer
    newest = buffer.last_index.copy()
    assert not buffer.done[newest].all()
    Life(other, lines(N)).live(1)
    assert buffer.done[newest].all() and not buffer.terminated[newest].all()


@pytest.mark.parametrize(
    "levels",
    [[planner_level(buffer_size=900)], [RandomLevel()], [Counter(scale=0.01)]],
)
def test_buffers_of_other_levels_are_refused(levels, path):
    lived().save_buffers(path)
    hierarchy = lived(levels, n_steps=3)
    refused(hierarchy, hierarchy.load_buffers, path, "fit|of another hierarchy")


def test_a_hierarchy_is_no_buffer_file_and_the_other_way_round(path):
    hierarchy = lived()
    hierarchy.save(path)
    refused(hierarchy, hierarchy.load_buffers, path, "'hierarchy', expected 'replay")
    hierarchy.save_buffers(path)
    refused(hierarchy, hierarchy.restore, path, "'replay buffers', expected")
    with pytest.raises(CheckpointError, match="'replay buffers', expected"):
        Hierarchy.load(path, lines(N))


# Acting from a file


@pytest.mark.parametrize(
    "stack", ["planner", "planner-over-sequences", "choices", "memory", "random"]
)
def test_a_loaded_hierarchy_acts_as_an_acting_copy(stack, path):
    levels, actions = STACKS[stack]
    hierarchy = lived(levels, actions)
    hierarchy.save(path, with_buffers=False)
    env = partial(lines, 5, actions=actions)
    loaded = Hierarchy.load(path, env(), seed=3, trusted=("tests",))
    acting = hierarchy.acting_copy(env(), 3)
    assert_same(everything(loaded), everything(acting))
    assert not loaded.is_training and loaded.levels[0].buffer_state() == {}
    assert_same(Life(loaded, env()).live(15), Life(acting, env()).live(15))


def test_observation_maps_are_loaded_too(path):
    maps = [(double, unbounded(1)), [2]]
    levels = [Counter(scale=0.1), Counter(inputs=BOX, scale=0.1)]
    hierarchy = Hierarchy(levels, lines(N), maps)
    hierarchy.save(path)
    loaded = Hierarchy.load(path, lines(N), trusted=("tests", __name__))
    obs = np.arange(9.0).reshape(3, 3)
    loaded.get_action(obs)
    assert [level.decisions[1][0][0] for level in loaded.levels] == [6.0, 5.0]


def double(obs):
    return obs[:, :1] * 2


def test_a_loaded_hierarchy_may_act_in_a_single_environment(path):
    hierarchy = lived()
    hierarchy.save(path)
    loaded = Hierarchy.load(path, Line())
    assert BOX.contains(loaded.get_action(np.zeros(3)))


LOCAL = {
    "lambda": planner_level(
        predictor_factory=PredictorFactory(
            **{
                **SMALL_PREDICTOR.constructor_arguments(),
                "partial_encoder": lambda *args, **kw: Diary(*args, **kw),
            }
        )
    ),
    "local class": None,
    "unknown object": ConstantLevel(np.array([0.5], object)),
}


def local_level():
    @dataclass(frozen=True)
    class Mine(Counter):
        pass

    return Mine(scale=0.01)


@pytest.mark.parametrize("name", LOCAL)
def test_what_cannot_be_described_is_saved_and_restored_but_not_loaded(name, path):
    levels = [LOCAL[name] or local_level()]
    hierarchy = lived(levels)
    hierarchy.save(path)
    other = build(levels, seed=1)
    other.restore(path)
    assert_same(everything(hierarchy), everything(other))
    with pytest.raises(CheckpointError) as error:
        Hierarchy.load(path, lines(N), trusted=("tests",))
    assert "does not say how its levels are built" in str(error.value)
    named = {"lambda": "<lambda>", "local class": "Mine", "unknown object": "object"}
    assert named[name] in str(error.value) and "restore" in str(error.value)


def test_packages_of_others_must_be_trusted(path):
    lived([steady_level()]).save(path)
    with pytest.raises(CheckpointError, match=r"trusted=\('tests',\)"):
        Hierarchy.load(path, lines(N))


@pytest.mark.parametrize(
    "env, named",
    [
        (lines(N, kind="dict"), "observations: array: Box of 3 saved, episode"),
        (Spaces(obs=unbounded(4)), "Box of 4 here"),
        (Spaces(actions=spaces.Box(-2, 2, (1,), np.float32)), r"Box\(-2.0"),
        (Spaces(actions=CHOICES), "Discrete"),
    ],
)
def test_loading_for_another_environment_is_refused(env, named, path):
    lived().save(path)
    with pytest.raises(CheckpointError, match=named):
        Hierarchy.load(path, env)


# Files that are not as they should be


def refused(hierarchy, load, path, named):
    """Loading fails by name, and leaves everything as it was."""
    before = everything(hierarchy)
    with pytest.raises(CheckpointError, match=named):
        load(path)
    assert_same(before, everything(hierarchy))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    hierarchy = lived()
    hierarchy.save(folder / "hierarchy.pt")
    hierarchy.save_buffers(folder / "buffers.pt")
    return folder


def test_truncated_files_are_refused(saved, path):
    hierarchy = lived(n_steps=5, seed=1)
    before = everything(hierarchy)
    for name, load in (
        ("hierarchy.pt", hierarchy.restore),
        ("hierarchy.pt", lambda p: Hierarchy.load(p, lines(N))),
        ("buffers.pt", hierarchy.load_buffers),
    ):
        whole = (saved / name).read_bytes()
        lengths = [0, 1, 7, *np.linspace(8, len(whole) - 1, 12).astype(int)]
        for length in lengths:
            path.write_bytes(whole[:length])
            with pytest.raises(CheckpointError, match="truncated"):
                load(path)
    assert_same(before, everything(hierarchy))


def test_bits_that_fell_over_never_half_load(saved, path):
    hierarchy = lived(n_steps=5, seed=1)
    whole, rng = (saved / "hierarchy.pt").read_bytes(), np.random.default_rng(0)
    n_refused = 0
    for _ in range(25):
        broken = bytearray(whole)
        broken[int(rng.integers(len(broken)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(broken))
        before = everything(hierarchy)
        try:
            hierarchy.restore(path)
        except CheckpointError:
            n_refused += 1
            assert_same(before, everything(hierarchy))
    assert n_refused > 0


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/layeredrl_was_here",)


FOREIGN = {
    "pickled code": lambda: pickle.dumps(Evil()),
    "pickled values": lambda: pickle.dumps({"header": {}}),
    "text": lambda: b"not a checkpoint",
    "noise": lambda: np.random.default_rng(0).bytes(5000),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files_are_refused_and_run_nothing(kind, path):
    path.write_bytes(FOREIGN[kind]())
    hierarchy = lived(n_steps=5)
    for load in (
        hierarchy.restore,
        hierarchy.load_buffers,
        lambda p: Hierarchy.load(p, lines(N)),
    ):
        refused(hierarchy, load, path, "not a checkpoint|not written by")
    assert not os.path.exists("/tmp/layeredrl_was_here")


def test_code_within_a_torch_file_does_not_run(path):
    torch.save({"header": Evil(), "content": {}}, path)
    hierarchy = lived(n_steps=5)
    refused(hierarchy, hierarchy.restore, path, "not a checkpoint")
    assert not os.path.exists("/tmp/layeredrl_was_here")


def test_a_missing_file_is_refused(path):
    hierarchy = lived(n_steps=5)
    refused(hierarchy, hierarchy.restore, path, "there is no checkpoint")


def test_a_newer_format_is_refused_and_says_which_package_wrote_it(saved, path):
    raw = torch.load(saved / "hierarchy.pt", weights_only=True)
    raw["header"] |= {"format_version": 99, "package_version": "7.0"}
    torch.save(raw, path)
    hierarchy = lived(n_steps=5)
    refused(hierarchy, hierarchy.restore, path, "format 99 .layeredrl 7.0")


def tampered(saved, path, change, name="hierarchy.pt", kind="hierarchy"):
    content = load_checkpoint(saved / name, kind)
    change(content)
    save_checkpoint(path, kind, content)


def without(*keys):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


BROKEN = {
    "no description": without("description"),
    "no state": without("state"),
    "no buffers": without("buffers"),
    "no level": without("state", "levels", 0),
    "no flow": without("state", "flow", 0),
    "no counter": without("state", "n_env_steps"),
    "no memory": without("state", "levels", 0, "memory", "time"),
    "no optimizer": without("state", "levels", 0, "training", "optimizer"),
    "no exploration": without("state", "levels", 0, "exploration"),
    "no buffer": without("buffers", 0),
    "no rings": without("buffers", 0, "rings"),
    "a ring missing": without("buffers", 0, "rings", 0),
    "no position": without("buffers", 0, "rings", 1, "size"),
    "no buffer generator": without("buffers", 0, "generator"),
    "no gaps": without("buffers", 0, "has_gap"),
    "no weights": lambda c: c["state"]["levels"][0]["predictor"].popitem(),
    "other weights": lambda c: c["state"]["levels"][0]["predictor"].update(
        {k: v[:0] for k, v in c["state"]["levels"][0]["predictor"].items() if v.dim()}
    ),
    "words for numbers": lambda c: c["state"].update(n_env_steps=None, active="all"),
    "not a state": lambda c: c.update(state=3),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_breaks_half_way_through_changes_nothing(what, saved, path):
    tampered(saved, path, BROKEN[what])
    used, fresh = lived(n_steps=5, seed=1), build()
    for hierarchy in (used, fresh):
        refused(hierarchy, hierarchy.restore, path, "does not fit|lacks|another")
    assert_same(Life(fresh, lines(N)).live(10), Life(build(), lines(N)).live(10))


@dataclass(frozen=True)
class Fragile(Counter):
    """A level whose loading fails once, when told to."""

    def build(self, spec):
        return RunningFragile(spec, self)


class RunningFragile(RunningCounter):
    error: type[BaseException] | None = None

    def load_state_dict(self, state):
        error, self.error = self.error, None
        if error is not None:
            raise error("while loading")
        super().load_state_dict(state)


@pytest.mark.parametrize(
    "error, raised",
    [
        (KeyboardInterrupt, KeyboardInterrupt),
        (ZeroDivisionError, CheckpointError),
        (AttributeError, CheckpointError),
    ],
)
def test_failing_after_the_first_level_was_loaded_changes_nothing(error, raised, path):
    levels = [planner_level(), Fragile(inputs=BOX, scale=0.1)]
    hierarchy = lived(levels, n_steps=8)
    hierarchy.save(path)
    Life(hierarchy, lines(N)).live(3)
    before = everything(hierarchy)
    hierarchy.levels[1].error = error
    with pytest.raises(raised, match="while loading"):
        hierarchy.restore(path)
    assert_same(before, everything(hierarchy))
    hierarchy.restore(path)
    assert not is_same(before, everything(hierarchy))


WIDER = partial(
    ProbabilisticEnsemble, partial_net=partial(ProbFCDynamics, hidden_sizes=(9,))
)
OTHERS = {
    "levels": dict(levels=[RandomLevel()]),
    "number of levels": dict(levels=[planner_level(), ActionSequenceLevel(1)]),
    "network": dict(
        levels=[
            planner_level(
                predictor_factory=PredictorFactory(
                    **{
                        **SMALL_PREDICTOR.constructor_arguments(),
                        "partial_model": WIDER,
                    }
                )
            )
        ]
    ),
    "horizon": dict(
        levels=[
            planner_level(
                partial_planner=partial(CEMPlanner, config=PlannerConfig(horizon=4))
            )
        ]
    ),
    "buffer": dict(levels=[planner_level(buffer_size=999)]),
    "maps": dict(obs_maps=[[0, 1]]),
    "encoder": dict(levels=[planner_level(predictor_factory=predictor_with(Diary))]),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_hierarchy_of_another_build_is_refused(what, saved):
    hierarchy = lived(n_steps=5, **OTHERS[what])
    refused(hierarchy, hierarchy.restore, saved / "hierarchy.pt", "fit|another")


def test_the_length_of_sequences_below_matters(path):
    lived([planner_level(), ActionSequenceLevel(3)]).save(path)
    hierarchy = lived([planner_level(), ActionSequenceLevel(2)])
    refused(hierarchy, hierarchy.restore, path, r"\(3,\).*saved.*\(2,\).*here")


def test_other_spaces_and_sizes_are_refused_and_named(saved):
    for env, named in (
        (lines(N + 1), "instances: 3 saved, 4 here"),
        (lines(N, actions=spaces.Box(-2, 2, (1,), np.float32)), "actions"),
        (lines(N, kind="dict"), "observation space"),
    ):
        hierarchy = Hierarchy([planner_level()], env)
        refused(hierarchy, hierarchy.restore, saved / "hierarchy.pt", named)


# Recipes that were tampered with


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "layeredrl.utils.checkpoints:os.system",
        "layeredrl.levels.planner_level:PlannerLevel.__init__.__globals__",
        "layeredrl.nets:torch.load",
    ],
)
def test_names_that_lead_elsewhere_are_refused(name, saved, path):
    def change(content):
        (level,) = content["recipe"]["items"][0]["items"]
        level["arguments"]["partial_planner"] = {"$": "name", "name": name}

    tampered(saved, path, change)
    with pytest.raises(CheckpointError, match="a checkpoint names"):
        Hierarchy.load(path, lines(N))


@pytest.mark.parametrize(
    "recipe",
    [
        recipe_codec.encode(3),
        recipe_codec.encode(((), ())),
        recipe_codec.encode((("level",), (None,))),
        recipe_codec.encode(((RandomLevel(),), (None, None))),
        recipe_codec.encode(((ActionSequenceLevel(1),), (None,))),
        recipe_codec.encode(((RandomLevel(), RandomLevel()), (None, None))),
        recipe_codec.encode(((RandomLevel(),), (["nowhere"],))),
        {"$": "tuple", "items": 3},
        {"$": "what"},
    ],
)
def test_recipes_of_no_hierarchy_are_refused(recipe, saved, path):
    tampered(saved, path, lambda content: content.update(recipe=recipe))
    with pytest.raises(CheckpointError):
        Hierarchy.load(path, lines(N))


@pytest.mark.parametrize("key", ["description", "recipe", "why_no_recipe", "acting"])
def test_a_file_that_lacks_what_acting_needs_is_refused(key, saved, path):
    tampered(saved, path, without(key))
    with pytest.raises(CheckpointError, match=f"lacks.*{key}"):
        Hierarchy.load(path, lines(N))


# Disks that fail


class FullDisk:
    """Lets some bytes through, then says that the disk is full."""

    def __init__(self, monkeypatch, name, n_calls=0):
        owner, attribute = {
            "open": ("builtins", "open"),
            "fsync": ("os", "fsync"),
            "replace": ("os", "replace"),
            "save": ("torch", "save"),
        }[name]
        monkeypatch.setattr(f"{owner}.{attribute}", self)

    def __call__(self, *args, **kwargs):
        if len(args) > 1 and hasattr(args[1], "write"):
            args[1].write(b"half of it")
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("name", ["open", "save", "fsync", "replace"])
@pytest.mark.parametrize("method", ["save", "save_buffers"])
def test_a_full_disk_leaves_the_old_file(method, name, path, monkeypatch):
    hierarchy = lived()
    getattr(hierarchy, method)(path)
    old = path.read_bytes()
    Life(hierarchy, lines(N)).live(3)
    with monkeypatch.context() as patch:
        FullDisk(patch, name)
        with pytest.raises(CheckpointError, match="No space left"):
            getattr(hierarchy, method)(path)
    assert path.read_bytes() == old
    assert os.listdir(path.parent) == [path.name]
    getattr(hierarchy, method)(path)
    assert path.read_bytes() != old


def test_saving_where_one_may_not_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot write the checkpoint"):
        lived(n_steps=3).save(tmp_path / "file" / "hierarchy.pt")


def test_what_could_not_be_read_again_is_not_written(path):
    class Odd(RunningCounter):
        def state_dict(self):
            return {"strange": object()}

    @dataclass(frozen=True)
    class OddLevel(Counter):
        def build(self, spec):
            return Odd(spec, self)

    with pytest.raises(CheckpointError, match="object"):
        build([OddLevel()]).save(path)
    assert not path.exists()


def test_plans_in_flight_are_in_the_file(path):
    exploration = replace(planner_level().exploration, warm_up_env_steps=0)
    hierarchy = lived([planner_level(exploration=exploration)])
    level = hierarchy.levels[0]
    assert isinstance(level, RunningPlannerLevel)
    hierarchy.save(path)
    plans = load_checkpoint(path, "hierarchy")["state"]["levels"][0]["planners"][0]
    assert plans["has_plan"].any()
    assert_same(plans, level.planner.state_dict())
    hierarchy.reset()
    assert not is_same(plans, level.planner.state_dict())


def test_weights_are_loaded_with_weights_only(saved):
    raw = torch.load(saved / "hierarchy.pt", weights_only=True)
    assert raw["header"]["kind"] == "hierarchy"
    assert QUICK_CEM.func is CEMPlanner  # what the recipe names
    names = str(raw["content"]["recipe"])
    assert "layeredrl.planners.cem_planner:CEMPlanner" in names
