import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector.utils import batch_space, iterate

from layeredrl.errors import ObservationError, SpaceError
from layeredrl.utils.spaces import (
    VECTOR_KEY,
    ObservationLayout,
    action_dim,
    action_features,
    features_to_action,
    inner_bounds,
)
from tests.toys import unbounded

BOX = spaces.Box(-1, 1, (3,))
MATRIX = spaces.Box(-1, 1, (2, 3))
DISCRETE = spaces.Discrete(4, start=-1)


class TestActions:
    @pytest.mark.parametrize(
        ("space", "dim"),
        [(BOX, 3), (MATRIX, 6), (DISCRETE, 4), (spaces.Discrete(1), 1)],
    )
    def test_features_are_counted(self, space, dim):
        assert action_dim(space) == dim

    @pytest.mark.parametrize(
        "space", [spaces.MultiBinary(3), spaces.MultiDiscrete([2])]
    )
    def test_other_kinds_are_refused(self, space):
        with pytest.raises(SpaceError, match="Box or a Discrete"):
            action_dim(space)

    @pytest.mark.parametrize("lead", [(), (5,), (5, 7)])
    def test_boxes_are_flattened(self, lead):
        vector = torch.randn(*lead, 3, dtype=torch.float64)
        torch.testing.assert_close(action_features(BOX, vector), vector.float())
        matrix = torch.randn(*lead, 2, 3)
        features = action_features(MATRIX, matrix)
        torch.testing.assert_close(features, matrix.reshape(*lead, 6))
        torch.testing.assert_close(action_features(MATRIX, features), features)

    @pytest.mark.parametrize("lead", [(), (5,), (5, 7)])
    def test_discrete_actions_are_one_hot(self, lead, generator):
        index = torch.randint(-1, 3, lead, generator=generator)
        features = action_features(DISCRETE, index)
        assert features.shape == (*lead, 4) and features.dtype == torch.float32
        assert torch.equal(features.argmax(-1) - 1, index)
        assert torch.equal(features.sum(-1), torch.ones(lead))
        assert torch.equal(action_features(DISCRETE, features), features)

    @pytest.mark.parametrize("index", [-2, 3])
    def test_impossible_choices_are_named(self, index):
        with pytest.raises(SpaceError, match=f"{index}"):
            action_features(DISCRETE, torch.tensor([0, index]))

    def test_features_become_actions_again(self):
        actions = features_to_action(MATRIX, np.arange(12.0).reshape(2, 6) / 12)
        assert actions.shape == (2, 2, 3) and actions.dtype == np.float32
        assert MATRIX.contains(actions[1])
        chosen = features_to_action(DISCRETE, np.eye(4)[[0, 3]])
        assert chosen.tolist() == [-1, 2]
        whole = spaces.Box(-3, 3, (2,), np.int64)
        rounded = features_to_action(whole, np.array([[1.9, -0.6]]))
        assert rounded.tolist() == [[2, -1]] and whole.contains(rounded[0])

    def test_bounds_are_rounded_inwards(self):
        space = spaces.Box(
            np.array([-0.1, -0.3]), np.array([0.1, 0.7]), dtype=np.float64
        )
        low, high = inner_bounds(space)
        assert low.dtype == high.dtype == np.float32
        for bound in (low, high):
            assert space.contains(features_to_action(space, bound[None])[0])
        np.testing.assert_allclose(low, space.low, atol=1e-7)
        np.testing.assert_allclose(high, space.high, atol=1e-7)
        exact = inner_bounds(spaces.Box(-2, np.inf, (2, 2)))
        assert exact[0].tolist() == [-2.0] * 4 and np.isinf(exact[1]).all()


NESTED = spaces.Dict(
    {
        "goal": spaces.Dict({"xy": unbounded(2), "open": spaces.Discrete(2)}),
        "arm": spaces.Box(-1, 1, (3,), np.float64),
        "parts": spaces.Tuple(
            [spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(4), spaces.Box(-1, 1, ())]
        ),
    }
)
WITH_IMAGES = spaces.Dict(
    {
        "camera": spaces.Dict(
            {
                "left": spaces.Box(0, 255, (4, 5, 3), np.uint8),
                "depth": spaces.Box(-1, 1, (4, 5), np.float32),
            }
        ),
        "bytes": spaces.Box(0, 255, (7,), np.uint8),
        "arm": unbounded(3),
    }
)


def sampled(space, n, seed=0):
    batch = batch_space(space, n)
    batch.seed(seed)
    return batch, batch.sample()


class TestLayout:
    @pytest.mark.parametrize(
        "space",
        [NESTED, unbounded(4), spaces.Discrete(5), spaces.Tuple([DISCRETE, BOX])],
    )
    def test_flattens_as_gymnasium_does(self, space):
        batch, obs = sampled(space, 6)
        layout = ObservationLayout.of(space)
        flat = layout.flatten(obs, 6)
        expected = [spaces.flatten(space, row) for row in iterate(batch, obs)]
        assert flat.dtype == np.float32
        assert layout.shape == (flat.shape[1],) == spaces.flatten_space(space).shape
        np.testing.assert_allclose(flat, np.stack(expected), rtol=1e-6)

    def test_the_result_is_a_copy(self):
        obs = np.ones((2, 3), np.float32)
        flat = ObservationLayout.of(unbounded(3)).flatten(obs, 2)
        obs[:] = 5
        assert (flat == 1).all()
        _, obs = sampled(WITH_IMAGES, 2)
        parts = ObservationLayout.of(WITH_IMAGES).flatten(obs, 2)
        assert not np.shares_memory(parts["camera.left"], obs["camera"]["left"])

    def test_columns_are_remembered(self):
        _, obs = sampled(NESTED, 2)
        layout = ObservationLayout.of(NESTED)
        flat = layout.flatten(obs, 2)
        np.testing.assert_allclose(
            flat[:, layout.columns_of("arm")], obs["arm"], rtol=1e-6
        )
        np.testing.assert_array_equal(
            flat[:, layout.columns_of("goal.xy")], obs["goal"]["xy"]
        )
        assert layout.columns_of("goal") == sorted(
            layout.columns_of("goal.xy") + layout.columns_of("goal.open")
        )

    @pytest.mark.parametrize("key", ["nothing", "go", "goal.x", ""])
    def test_unknown_keys_name_the_keys(self, key):
        layout = ObservationLayout.of(NESTED)
        assert not layout.has_columns(key)
        with pytest.raises(SpaceError, match=r"goal\.xy"):
            layout.columns_of(key)

    def test_images_stay_apart_in_their_own_dtype(self):
        _, obs = sampled(WITH_IMAGES, 2)
        layout = ObservationLayout.of(WITH_IMAGES)
        parts = layout.flatten(obs, 2)
        assert layout.shape == {
            VECTOR_KEY: (3,),
            "bytes": (7,),
            "camera.depth": (4, 5),
            "camera.left": (4, 5, 3),
        }
        assert parts.keys() == layout.shape.keys()
        np.testing.assert_array_equal(parts[VECTOR_KEY], obs["arm"])
        np.testing.assert_array_equal(parts["camera.left"], obs["camera"]["left"])
        assert parts["camera.left"].dtype == np.uint8
        assert parts["camera.depth"].dtype == np.float32
        assert layout.images_of("camera") == ["camera.depth", "camera.left"]
        assert layout.images_of("arm") == []

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
    def test_values_that_are_not_finite_name_instance_and_key(self, value):
        _, obs = sampled(NESTED, 4)
        obs["arm"][2, 1] = value
        with pytest.raises(ObservationError, match="instance 2 .*'arm'"):
            ObservationLayout.of(NESTED).flatten(obs, 4)

    def test_opposite_infinities_are_found(self):
        obs = np.array([[np.inf, 0.0], [-np.inf, 0.0]])
        with pytest.raises(ObservationError, match="2 values"):
            ObservationLayout.of(unbounded(2)).flatten(obs, 2)

    def test_huge_finite_values_are_fine(self):
        obs = np.full((3, 2), 3e38)
        flat = ObservationLayout.of(unbounded(2)).flatten(obs, 3)
        assert np.isfinite(flat).all()

    def test_float_images_are_checked_too(self):
        _, obs = sampled(WITH_IMAGES, 3)
        obs["camera"]["depth"][1, 0, 0] = np.nan
        layout = ObservationLayout.of(WITH_IMAGES)
        with pytest.raises(ObservationError, match=r"instance 1 .*'camera\.depth'"):
            layout.flatten(obs, 3)
        layout.flatten(obs, 3, active=np.array([True, False, True]))

    def test_instances_at_rest_may_hold_anything(self):
        obs = np.array([[1.0, 2.0], [np.nan, 0.0]])
        layout = ObservationLayout.of(unbounded(2))
        flat = layout.flatten(obs, 2, active=np.array([True, False]))
        assert flat[0].tolist() == [1.0, 2.0]
        with pytest.raises(ObservationError, match="instance 1"):
            layout.flatten(obs, 2, active=np.array([False, True]))

    def test_missing_keys_name_the_keys_found(self):
        _, obs = sampled(NESTED, 2)
        del obs["goal"]["xy"]
        with pytest.raises(ObservationError, match=r"'xy' .*'goal\.xy'.*\['open'\]"):
            ObservationLayout.of(NESTED).flatten(obs, 2)

    def test_wrong_shapes_are_named(self):
        with pytest.raises(ObservationError, match=r"\(2, 4\), expected \(2, 3\)"):
            ObservationLayout.of(unbounded(3)).flatten(np.zeros((2, 4)), 2)

    def test_unknown_spaces_are_refused(self):
        with pytest.raises(SpaceError, match="Text"):
            ObservationLayout.of(spaces.Dict(words=spaces.Text(3)))
