"""What recipes are written as, and what a file can and cannot make us do."""

import copy
import functools
import math
import operator
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

from layeredrl.errors import CheckpointError, ConfigurationError
from layeredrl.levels import (
    ActionSequenceLevel,
    ConstantLevel,
    Exploration,
    PlannerLevel,
    RandomLevel,
)
from layeredrl.nets import ProbFCDynamics
from layeredrl.predictors import PredictorFactory, get_default_predictor_factory
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.recipe_codec import TRUSTED_PACKAGES, Describable, decode, encode
from layeredrl.utils.schedules import LinearSchedule, PiecewiseSchedule
from tests.ids import stable
from tests.same import is_same
from tests.toys import GoalEnv

HERE = (__name__,)


@pytest.fixture
def through_a_file(tmp_path):
    def through(value, trusted=HERE):
        save_checkpoint(tmp_path / "recipe.pt", "recipe", {"recipe": encode(value)})
        return decode(
            load_checkpoint(tmp_path / "recipe.pt", "recipe")["recipe"], trusted
        )

    return through


# What comes back as it was


@dataclass(frozen=True)
class Point:
    x: float
    y: tuple = ()
    computed: float = field(init=False, default=7.0)


class Pair(NamedTuple):
    left: int
    right: object


class Box2(Describable):
    def __init__(self, content, other=None):
        self.content, self.other = content, other

    def constructor_arguments(self):
        return {"content": self.content, "other": self.other}

    def __eq__(self, other):
        return type(other) is Box2 and vars(self) == vars(other)


def triple(x):
    return 3 * x


PLAIN = [
    None,
    True,
    3,
    -0.5,
    math.inf,
    "text",
    "",
    "$",
    [],
    [1, [2, (3,)]],
    (1, 2),
    {},
    {"$": "name", "name": "os:system"},
    {(1, 2): {"a": None}, 3: [True]},
    Point(1.0, (2, [3])),
    Point,
    Pair(1, (2, 3)),
    Box2({"a": Point(2.0)}, other=[Box2(1)]),
    triple,
    nn.SiLU,
    nn.functional.silu,
    torch.device("cpu"),
    spaces.Discrete(3, start=-2),
    spaces.Box(-1.0, 1.0, (2, 3), np.float32),
    spaces.Box(np.array([-np.inf, 0]), np.array([1, np.inf]), dtype=np.float64),
    spaces.Box(0, 255, (4, 4), np.uint8),
    spaces.Dict({"b": spaces.Discrete(2), "a": spaces.Box(0, 1, (1,), np.float32)}),
    spaces.Tuple((spaces.Discrete(2), spaces.Dict({}))),
]


@pytest.mark.parametrize("value", PLAIN, ids=stable)
def test_comes_back_equal_and_of_the_same_type(value, through_a_file):
    back = through_a_file(value)
    assert back == value and type(back) is type(value)


def test_nan_comes_back(through_a_file):
    assert math.isnan(through_a_file(math.nan))


@pytest.mark.parametrize(
    "number, plain", [(np.float64(0.5), 0.5), (np.int32(3), 3), (np.bool_(True), True)]
)
def test_numpy_numbers_become_python_numbers(number, plain, through_a_file):
    back = through_a_file({"n": number})["n"]
    assert back == plain and type(back) is type(plain)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.array(5, np.int64),
        np.zeros((0, 2)),
        np.array([True, False]),
        np.arange(6)[::2],
        torch.arange(3.0),
        torch.tensor([], dtype=torch.int64),
    ],
    ids=lambda v: type(v).__name__,
)
def test_arrays_and_tensors_come_back_with_their_types(array, through_a_file):
    back = through_a_file(array)
    assert type(back) is type(array) and is_same(back, array)


def test_what_was_written_is_a_copy():
    tensor = torch.ones(2)
    written = encode(tensor)
    tensor.zero_()
    assert (decode(written) == 1).all()


def test_partials_come_back(through_a_file):
    inner = partial(Point, 1.0)
    back = through_a_file(partial(Box2, inner, other=partial(triple)))
    assert back.func is Box2 and type(back) is partial
    assert back().content() == Point(1.0) and back().other(2) == 6


def test_spaces_in_dicts_keep_their_order(through_a_file):
    space = spaces.Dict([("b", spaces.Discrete(2)), ("a", spaces.Discrete(3))])
    assert list(through_a_file(space)) == ["b", "a"]


def test_a_dataclass_computes_again_what_it_computes(through_a_file):
    assert through_a_file(Point(1.0)).computed == 7.0


RECIPES = [
    RandomLevel(),
    ConstantLevel((0.5, 1.0)),
    ConstantLevel(3),
    ActionSequenceLevel(4),
    LinearSchedule(1.0, 0.0, 100),
    PiecewiseSchedule(((0, 1.0), (10, 0.5))),
    Exploration(random_probability=LinearSchedule(1.0, 0.0, 100)),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: type(r).__name__)
def test_our_recipes_need_no_trust(recipe, through_a_file):
    assert through_a_file(recipe, trusted=()) == recipe


def test_a_planner_level_comes_back_whole(through_a_file):
    recipe = PlannerLevel(get_default_predictor_factory(GoalEnv(), 0))
    back = through_a_file(recipe, trusted=())
    assert isinstance(back.predictor_factory, PredictorFactory)
    assert is_same(encode(back), encode(recipe))
    assert back.partial_planner is recipe.partial_planner
    assert back.exploration == recipe.exploration and back.learning == recipe.learning


# What cannot be written


class Colour(Enum):
    RED = 1


class Shade(str, Enum):
    RED = "red"


def make_local():
    def local(x):
        return x

    return local


class Local:
    def method(self):
        return None


@functools.wraps(triple)
def impostor(x):
    return x


UNWRITABLE = {
    "lambda": lambda x: x,
    "local function": make_local(),
    "bound method": Local().method,
    "object": Local(),
    "namespace": SimpleNamespace(a=1),
    "module": nn.Linear(2, 2),
    "parameter": nn.Parameter(torch.ones(2)),
    "python module": math,
    "generator": np.random.default_rng(0),
    "set": {1, 2},
    "bytes": b"abc",
    "complex": 1j,
    "enum": Colour.RED,
    "enum of strings": Shade.RED,
    "ordered dict": OrderedDict(a=1),
    "array of objects": np.array([None]),
    "array of words": np.array(["a"]),
    "other space": spaces.Text(3),
    "operator": operator.itemgetter(1),
    "wears another's name": impostor,
    "within a list": [1, [lambda: 1]],
    "within a partial": partial(triple, x=lambda: 1),
    "within a dict": {"a": {"b": make_local()}},
    "within a dataclass": Point(1.0, (make_local(),)),
    "within a description": Box2(lambda: 1),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_what_could_not_be_rebuilt_is_refused_when_it_is_written(name):
    with pytest.raises(ConfigurationError, match="cannot be written into a checkpoint"):
        encode(UNWRITABLE[name])


def test_the_running_script_cannot_be_imported_again(monkeypatch):
    monkeypatch.setattr(triple, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "triple", triple, raising=False)
    with pytest.raises(ConfigurationError, match="define it at the top of a module"):
        encode(triple)


# What a file cannot make us do


def name(text):
    return {"$": "name", "name": text}


def call(text, kind="object", **arguments):
    return {"$": kind, "class": text, "arguments": arguments}


OUTSIDE = [
    "os:system",
    "builtins:eval",
    "builtins:exec",
    "subprocess:Popen",
    "torch:load",
    "torch.hub:load",
    "torch.nnx:Module",
    "layeredrl_evil:f",
    "layeredrlx.nets:f",
    "layeredrl.utils.checkpoints:save_checkpoint",
    "layeredrl.utils.seeding:spawn",
    "layeredrl.hierarchies.persistence:save_hierarchy",
    "layeredrl.collectors.metrics_log:MetricsLog",
    "experiments.running.run_folder:RunFolder",
    "",
    ":",
    "os",
    ":system",
    ".nets:MLP",
    "..os:system",
]


@pytest.mark.parametrize("text", OUTSIDE)
def test_names_outside_the_trusted_packages_are_refused(text):
    with pytest.raises(CheckpointError, match="outside the trusted packages"):
        decode(name(text))


TRICKS = [
    "layeredrl.levels.planner_level:Callable",
    "layeredrl.nets.encoder:np.load",
    "layeredrl.nets.encoder:torch.load",
    "layeredrl.nets.encoder:torch.nn.SiLU",  # true, but not what it calls itself
    "layeredrl.nets:MLP",  # likewise
    "layeredrl.nets.mlp:MLP.__init__.__globals__",
    "layeredrl.nets.mlp:MLP.__init__.__builtins__",
    "layeredrl.nets.mlp:MLP.__class__",
    "layeredrl.nets.mlp:MLP.__subclasses__",
    "layeredrl.nets.mlp:MLP.__mro__",
    "layeredrl.nets.mlp:MLP.__module__",
    "layeredrl.nets.mlp:MLP.mro",
    "layeredrl.nets.mlp:__builtins__",
    "layeredrl.nets.mlp:__loader__",
    "layeredrl.nets.mlp:__spec__.loader.get_data",
    "layeredrl.predictors.reward_predictor:copy.deepcopy",
    "torch.nn.modules.module:OrderedDict",
    "torch.nn.modules.module:torch.load",
    "torch.nn.modules.module:weakref.ref",
    "layeredrl.levels.exploration:",
    "layeredrl.levels.exploration",
    "layeredrl.levels.exploration:Exploration.",
    "layeredrl.levels.exploration:nothing",
    "layeredrl.levels.nothing:Exploration",
    "layeredrl.levels.exploration.Exploration:hold",
]


@pytest.mark.parametrize("text", TRICKS)
@pytest.mark.parametrize("wrap", [name, call, partial(call, kind="dataclass")])
def test_nothing_is_reached_through_a_trusted_module(text, wrap):
    with pytest.raises(CheckpointError, match="a checkpoint names"):
        decode(wrap(text))


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "was_here"


class Forged:
    """An object that claims to be defined under its own name."""

    __qualname__ = "forged"

    def __call__(self):
        raise AssertionError


forged = Forged()
forged.__qualname__ = "forged"


def test_objects_cannot_pass_for_functions():
    assert (forged.__module__, forged.__qualname__) == (__name__, "forged")
    with pytest.raises(CheckpointError, match="no class or function defined there"):
        decode(name(f"{__name__}:forged"), HERE)


def test_functions_are_named_but_never_called(marker):
    def written(function):
        return call(function, x=str(marker))

    for kind in ("object", "dataclass", "named tuple"):
        with pytest.raises(CheckpointError, match="is no description"):
            decode({**written(f"{__name__}:touch"), "$": kind}, HERE)
    assert not marker.exists()
    # A partial is built, but whoever reads it decides whether to call it.
    described = {
        "$": "partial",
        "function": name(f"{__name__}:touch"),
        "positional": [str(marker)],
        "keywords": {},
    }
    assert decode(described, HERE).func is touch and not marker.exists()


def touch(x):
    with open(x, "w") as file:
        file.write("here")


@pytest.mark.parametrize(
    "text",
    [
        "torch.nn.modules.linear:Linear",
        "layeredrl.nets.mlp:MLP",
        "layeredrl.levels.random_level:RunningRandomLevel",
        "layeredrl.levels.exploration:Exploration.__post_init__",
    ],
)
def test_only_descriptions_are_built(text):
    with pytest.raises(CheckpointError, match="is no description"):
        decode(call(text, in_features=2, out_features=2))


def test_modules_outside_are_not_even_imported(tmp_path, monkeypatch):
    (tmp_path / "evil_module_of_tests.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CheckpointError):
        decode(name("evil_module_of_tests:f"))


def test_trust_is_given_by_package_and_reaches_into_it():
    text = f"{__name__}:triple"
    with pytest.raises(CheckpointError, match=rf"trusted=\('{__name__}',\)"):
        decode(name(text))
    assert decode(name(text), HERE) is triple
    with pytest.raises(CheckpointError):
        decode(name(text), (__name__[:-1],))
    assert decode(name("math:tanh"), ("math",)) is math.tanh
    with pytest.raises(CheckpointError, match="no class or function defined there"):
        decode(name("math:pi"), ("math",))


def test_the_trusted_packages_are_ours_or_hold_layers():
    assert all(p.startswith(("layeredrl.", "torch.nn.")) for p in TRUSTED_PACKAGES)
    assert decode(name("layeredrl.nets.prob_fc_dynamics:ProbFCDynamics")) is (
        ProbFCDynamics
    )


BROKEN = [
    {},
    {"$": "unknown"},
    {"$": None},
    {"$": ["name"]},
    {"$": "name"},
    {"$": "name", "name": 3},
    {"$": "name", "name": None},
    {"$": "object"},
    {"$": "object", "class": 3, "arguments": {}},
    call("layeredrl.levels.random_level:RandomLevel", surprise=1),
    call("layeredrl.levels.action_sequence_level:ActionSequenceLevel", n_steps=0),
    call("layeredrl.levels.action_sequence_level:ActionSequenceLevel"),
    {
        "$": "object",
        "class": "layeredrl.levels.random_level:RandomLevel",
        "arguments": 3,
    },
    {"$": "partial", "function": 3, "positional": [], "keywords": {}},
    {"$": "partial", "positional": [], "keywords": {}},
    {"$": "list", "items": 3},
    {"$": "tuple"},
    {"$": "dict", "pairs": [[1]]},
    {"$": "dict", "pairs": [[encode([]), 1]]},
    {"$": "box", "low": 1, "high": 0},
    {"$": "box", "low": np.ones(2), "high": np.ones(3), "dtype": "float32"},
    {"$": "box", "low": np.ones(2), "high": np.ones(2), "dtype": "nonsense"},
    {"$": "discrete", "n": -1, "start": 0},
    {"$": "dict space", "pairs": [["a", 3]]},
    {"$": "device", "device": "toaster"},
    [1, 2],
    (1, 2),
    b"abc",
    torch.ones(2),
]


@pytest.mark.parametrize("description", BROKEN, ids=lambda d: str(d)[:60])
def test_broken_descriptions_are_refused_by_name(description):
    before = copy.deepcopy(description)
    with pytest.raises(CheckpointError, match="checkpoint"):
        decode(description)
    assert is_same(before, description)


def test_depth_without_end_is_refused():
    value = 1
    for _ in range(5000):
        value = {"$": "list", "items": [value]}
    with pytest.raises(CheckpointError, match="RecursionError"):
        decode(value)
