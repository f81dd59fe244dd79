import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.errors import SpaceError
from layeredrl.utils.action_sampling import sample_features
from layeredrl.utils.spaces import features_to_action


def test_boxes_are_filled_uniformly():
    space = spaces.Box(np.array([-1.0, 0.0]), np.array([1.0, 10.0]))
    drawn = sample_features(space, 4000, np.random.default_rng(0))
    assert drawn.shape == (4000, 2) and drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(0), [0.0, 5.0], atol=0.15)
    np.testing.assert_allclose(drawn.std(0), [2 / 12**0.5, 10 / 12**0.5], rtol=0.03)


def test_actions_lie_in_the_space_whatever_its_precision():
    wide = spaces.Box(-0.1, 0.1, (3, 2), np.float64)
    drawn = sample_features(wide, 50, np.random.default_rng(0))
    assert all(wide.contains(action) for action in features_to_action(wide, drawn))


def test_choices_are_one_hot_and_uniform():
    space = spaces.Discrete(4, start=3)
    drawn = sample_features(space, 4000, np.random.default_rng(0))
    assert drawn.shape == (4000, 4)
    assert set(np.unique(drawn)) == {0.0, 1.0} and (drawn.sum(1) == 1).all()
    np.testing.assert_allclose(drawn.mean(0), 0.25, atol=0.03)


def test_unbounded_boxes_are_refused():
    with pytest.raises(SpaceError, match="bounds"):
        sample_features(spaces.Box(0, np.inf, (2,)), 3, np.random.default_rng(0))
