"""What networks with memory are told beside the observation: the last reward and action.

As in RL^2 (Duan et al. 2016, https://arxiv.org/abs/1611.02779): reward first, then the
features of the action, zeros at the start of an episode.
"""

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from layeredrl.utils.spaces import action_dim


def rl2_space(action_space: spaces.Space) -> spaces.Box:
    """Describe the features of the previous reward and action.

    Args:
        action_space: A ``Box`` of any shape, or ``Discrete``, which is one-hot.

    Returns:
        An unbounded box (1 + A,).

    Raises:
        SpaceError: If actions are of another kind.
    """
    shape = (1 + action_dim(action_space),)
    return spaces.Box(-np.inf, np.inf, shape, np.float32)


def rl2_features(prev_reward: Tensor, prev_action: Tensor) -> Tensor:
    """Put the previous reward and action side by side.

    Args:
        prev_reward: Rewards, 0 at the start of an episode, (...).
        prev_action: Action features, 0 at the start of an episode, (..., A).

    Returns:
        Features (..., 1 + A).
    """
    return torch.cat([prev_reward.unsqueeze(-1), prev_action], dim=-1)
