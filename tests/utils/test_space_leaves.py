import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import batch_space

from layeredrl.errors import ObservationError, SpaceError
from layeredrl.utils.space_leaves import is_image, leaf_features, leaves, read_leaves
from tests.toys import unbounded

NESTED = spaces.Dict(
    {
        "b": unbounded(2),
        "a": spaces.Tuple([spaces.Discrete(3), spaces.Dict({"x.y": unbounded(1)})]),
        "c": spaces.Box(0, 255, (4, 4), np.uint8),
    }
)


def test_walks_in_the_spaces_own_order():
    names = [name for name, _ in leaves(NESTED)]
    assert names == ["a.0", "a.1.x.y", "b", "c"]
    assert [name for name, _ in leaves(unbounded(2))] == [""]


def test_reads_what_belongs_to_each_leaf():
    batch = batch_space(NESTED, 3)
    batch.seed(0)
    obs = batch.sample()
    read = {name: value for name, _, value in read_leaves(NESTED, obs, 3)}
    np.testing.assert_array_equal(read["a.0"], obs["a"][0])
    np.testing.assert_array_equal(read["a.1.x.y"], obs["a"][1]["x.y"])
    np.testing.assert_array_equal(read["c"], obs["c"])


@pytest.mark.parametrize(
    "space",
    [spaces.Text(5), spaces.Sequence(unbounded(1)), spaces.Dict(t=spaces.Text(1))],
)
def test_unknown_kinds_are_refused(space):
    with pytest.raises(SpaceError, match="not supported"):
        list(leaves(space))


@pytest.mark.parametrize(
    ("obs", "message"),
    [
        ({"b": np.zeros((3, 2))}, r"no 'a' .*found \['b'\]"),
        (np.zeros((3, 2)), "no 'a' .*found ndarray"),
        ({"a": (np.zeros(3),)}, "no 1 .*'a.1'.*found tuple"),
    ],
)
def test_missing_keys_name_the_keys_found(obs, message):
    with pytest.raises(ObservationError, match=message):
        list(read_leaves(NESTED, obs, 3))


@pytest.mark.parametrize("shape", [(2,), (3,), (2, 3), (3, 2, 1)])
def test_wrong_shapes_are_named(shape):
    space = spaces.Dict(goal=unbounded(2))
    with pytest.raises(ObservationError, match=r"'goal' has shape .*expected \(3, 2\)"):
        list(read_leaves(space, {"goal": np.zeros(shape)}, 3))


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (unbounded(3), False),
        (spaces.Box(0, 1, (2, 2)), True),
        (spaces.Box(0, 255, (7,), np.uint8), True),
        (spaces.MultiBinary((2, 2)), False),
        (spaces.Discrete(3), False),
    ],
)
def test_what_counts_as_an_image(space, expected):
    assert is_image(space) is expected


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(4, start=-2),
        spaces.MultiDiscrete([3, 2, 5]),
        spaces.MultiDiscrete([[3, 2], [2, 4]]),
        spaces.MultiDiscrete([3, 2], start=[1, -1]),
        spaces.MultiBinary([2, 3]),
        spaces.Box(-1, 1, ()),
        spaces.Box(-5, 5, (3,), np.int32),
    ],
    ids=str,
)
def test_features_are_those_of_gymnasium(space):
    batch = batch_space(space, 20)
    batch.seed(0)
    values = np.asarray(batch.sample())
    expected = np.stack([spaces.flatten(space, value) for value in values])
    np.testing.assert_array_equal(leaf_features(space, values, "key"), expected)


@pytest.mark.parametrize(
    ("space", "values"),
    [
        (spaces.Discrete(3), [0, 3]),
        (spaces.Discrete(3, start=1), [1, 0]),
        (spaces.MultiDiscrete([2, 3]), [[0, 0], [2, 0]]),
    ],
)
def test_impossible_choices_name_instance_and_key(space, values):
    with pytest.raises(ObservationError, match="instance 1 .*'light'"):
        leaf_features(space, np.array(values), "light")
