import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, ObservationError, SpaceError
from layeredrl.utils.observation_maps import KeepColumns, observation_map
from layeredrl.utils.spaces import VECTOR_KEY, ObservationLayout
from tests.toys import unbounded

LAYOUT = ObservationLayout.of(
    spaces.Dict(
        {
            "achieved": unbounded(2),
            "arm": unbounded(3),
            "deep": spaces.Dict(a=unbounded(1)),
        }
    )
)
FLAT = np.arange(12, dtype=np.float32).reshape(2, 6)

PIXELS = spaces.Box(0, 255, (3, 3), np.uint8)
WITH_IMAGES = ObservationLayout.of(
    spaces.Dict(
        {
            "arm": unbounded(2),
            "cam": spaces.Dict(left=PIXELS, right=PIXELS),
            "z": PIXELS,
        }
    )
)


def images(**extra):
    rng = np.random.default_rng(0)
    parts = {
        name: rng.integers(0, 255, (2, 3, 3)).astype(np.uint8)
        for name in ("cam.left", "cam.right", "z")
    }
    return {VECTOR_KEY: np.array([[1, 2], [3, 4]], np.float32), **parts}


def test_none_keeps_everything():
    everything = observation_map(None, LAYOUT)
    assert everything.shape == (6,) and everything(FLAT) is FLAT
    assert observation_map(None, WITH_IMAGES).shape == WITH_IMAGES.shape


@pytest.mark.parametrize(
    ("description", "columns"),
    [
        (["arm"], [2, 3, 4]),
        (["arm", "achieved"], [2, 3, 4, 0, 1]),
        (("deep", "achieved"), [5, 0, 1]),
        (["deep.a"], [5]),
        ([4, 0], [4, 0]),
        (np.array([1, 1]), [1, 1]),
        (range(2), [0, 1]),
    ],
)
def test_keys_and_columns_are_kept_in_their_order(description, columns):
    kept = observation_map(description, LAYOUT)
    assert kept.shape == (len(columns),)
    np.testing.assert_array_equal(kept(FLAT), FLAT[:, columns])


@pytest.mark.parametrize(
    ("description", "kept", "vector"),
    [
        (["arm"], [], [0, 1]),
        (["z", "arm"], ["z"], [0, 1]),
        (["cam"], ["cam.left", "cam.right"], []),
        (["cam.right"], ["cam.right"], []),
        ([1], ["cam.left", "cam.right", "z"], [1]),
    ],
)
def test_images_are_kept_by_name(description, kept, vector):
    chosen = observation_map(description, WITH_IMAGES)
    obs = images()
    seen = chosen(obs)
    if not kept:
        np.testing.assert_array_equal(seen, obs[VECTOR_KEY][:, vector])
        assert chosen.shape == (len(vector),)
        return
    assert chosen.shape == {VECTOR_KEY: (len(vector),), **{k: (3, 3) for k in kept}}
    assert seen.keys() == chosen.shape.keys()
    np.testing.assert_array_equal(seen[VECTOR_KEY], obs[VECTOR_KEY][:, vector])
    for key in kept:
        np.testing.assert_array_equal(seen[key], obs[key])


@pytest.mark.parametrize("columns", [[6], [-1], [0, 17]])
def test_columns_that_do_not_exist_are_refused(columns):
    with pytest.raises(SpaceError, match="there are 6"):
        observation_map(columns, LAYOUT)


def test_keeping_nothing_is_refused():
    with pytest.raises(SpaceError, match="keeps nothing"):
        KeepColumns(LAYOUT, [], [])


def test_keys_that_do_not_exist_name_those_that_do():
    with pytest.raises(SpaceError, match="'legs'.*achieved.*arm"):
        observation_map(["arm", "legs"], LAYOUT)
    with pytest.raises(SpaceError, match="images .*cam.left"):
        observation_map(["camera"], WITH_IMAGES)


@pytest.mark.parametrize(
    "description",
    ["arm", [], [0.5], ["arm", 1], [True, False] * 3, 3, lambda obs: obs, [len, 3]],
)
def test_other_descriptions_are_refused(description):
    with pytest.raises(ConfigurationError, match="an observation map is"):
        observation_map(description, LAYOUT)


class TestFunctions:
    def test_gets_the_flat_batch_and_returns_a_batch(self):
        doubled = observation_map((lambda obs: 2.0 * obs[:, :2], unbounded(2)), LAYOUT)
        seen = doubled(FLAT.astype(np.float64))
        assert doubled.shape == (2,) and seen.dtype == np.float32
        np.testing.assert_array_equal(seen, 2 * FLAT[:, :2])

    def test_may_return_a_dict(self):
        space = spaces.Dict({"xy": unbounded(2), "image": PIXELS})
        mapped = observation_map(
            (lambda obs: {"xy": obs[VECTOR_KEY], "image": obs["z"]}, space), WITH_IMAGES
        )
        obs = images()
        seen = mapped(obs)
        assert mapped.shape == {VECTOR_KEY: (2,), "image": (3, 3)}
        assert seen.keys() == mapped.shape.keys()
        np.testing.assert_array_equal(seen[VECTOR_KEY], obs[VECTOR_KEY])
        np.testing.assert_array_equal(seen["image"], obs["z"])

    @pytest.mark.parametrize(
        "function",
        [
            lambda obs: obs[:, :3],
            lambda obs: obs[:1, :2],
            lambda obs: {"other": obs},
            lambda obs: obs[:, :2] * np.nan,
        ],
    )
    def test_broken_promises_are_named(self, function):
        mapped = observation_map((function, unbounded(2)), LAYOUT)
        with pytest.raises(ObservationError, match="broke its promise"):
            mapped(FLAT)

    def test_instances_at_rest_may_hold_anything(self):
        mapped = observation_map((lambda obs: obs[:, :2], unbounded(2)), LAYOUT)
        obs = FLAT.copy()
        obs[1] = np.nan
        np.testing.assert_array_equal(mapped(obs)[0], FLAT[0, :2])
