import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import SpaceError
from layeredrl.nets.rl2 import rl2_features, rl2_space
from layeredrl.utils.spaces import action_features


@pytest.mark.parametrize(
    "space, dim",
    [
        (spaces.Box(-1.0, 1.0, (2,), np.float32), 3),
        (spaces.Box(-1.0, 1.0, (2, 3), np.float64), 7),
        (spaces.Discrete(4, start=3), 5),
    ],
)
def test_one_feature_more_than_actions_have(space, dim):
    found = rl2_space(space)
    assert found.shape == (dim,) and found.dtype == np.float32
    assert not found.is_bounded("below") and not found.is_bounded("above")
    action = torch.from_numpy(np.stack([space.sample()]))
    features = rl2_features(torch.tensor([7.0]), action_features(space, action))
    assert features.shape == (1, dim)


def test_reward_first_then_the_action():
    actions = action_features(spaces.Discrete(3, start=5), torch.tensor([[5, 7]]))
    features = rl2_features(torch.tensor([[0.5, -2.0]]), actions)
    assert features.tolist() == [[[0.5, 1, 0, 0], [-2.0, 0, 0, 1]]]


def test_other_actions_are_refused():
    with pytest.raises(SpaceError, match="MultiBinary"):
        rl2_space(spaces.MultiBinary(3))
