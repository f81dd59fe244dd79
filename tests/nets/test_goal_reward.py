from functools import partial

import numpy as np
import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.nets import GoalReward, TransitionReward, known_goal_reward
from tests.toys import GoalEnv


def distance(achieved, desired, info):
    assert isinstance(achieved, np.ndarray) and len(info) == len(achieved)
    assert achieved.ndim == desired.ndim == 2
    return -np.linalg.norm(achieved - desired, axis=-1)


def test_pays_for_the_reached_state(generator):
    reward = GoalReward(distance)
    assert isinstance(reward, TransitionReward)
    state, context, next_state = (
        torch.randn(4, 2, generator=generator) for _ in range(3)
    )
    found = reward(state, context, torch.zeros(4, 1), next_state)
    torch.testing.assert_close(found, -(next_state - context).norm(dim=-1))
    assert found.dtype == torch.float32


def test_contexts_are_broadcast_over_imagined_trajectories(generator):
    reward = GoalReward(distance)
    state = torch.randn(3, 2, 4, 5, 2, generator=generator)
    context = torch.randn(3, 2, generator=generator)[:, None, None, None]
    found = reward(state, context, torch.zeros(1), state)
    torch.testing.assert_close(found, -(state - context).norm(dim=-1))


def test_one_state_is_judged_by_many_goals(generator):
    state = torch.randn(2, generator=generator)
    context = torch.randn(5, 2, generator=generator)
    found = GoalReward(distance)(state, context, torch.zeros(1), state)
    torch.testing.assert_close(found, -(state - context).norm(dim=-1))


def test_columns_are_chosen():
    reward = GoalReward(distance, achieved_dims=(2, 0), desired_dims=[1, 3])
    state = torch.tensor([[1.0, 99.0, 2.0]])
    context = torch.tensor([[99.0, 2.0, 99.0, 4.0]])
    found = reward(state, context, torch.zeros(1, 1), state)
    assert found.tolist() == [-3.0]  # (2, 1) against (2, 4)


def test_takes_an_environments_own_function(generator):
    env = GoalEnv()
    env.reset(seed=0)
    reward = GoalReward(env.unwrapped.compute_reward)
    obs, paid, *_ = env.step(env.action_space.sample())
    found = reward(
        torch.zeros(1, 2),
        torch.tensor(obs["desired_goal"])[None],
        torch.zeros(1, 2),
        torch.tensor(obs["achieved_goal"])[None],
    )
    assert float(found) == pytest.approx(paid, rel=1e-6)


def test_no_gradient_flows(generator):
    state = torch.randn(3, 2, generator=generator, requires_grad=True)
    found = GoalReward(distance)(state, torch.zeros(3, 2), torch.zeros(3, 1), state)
    assert not found.requires_grad


def test_impossible_arguments_are_refused():
    with pytest.raises(ConfigurationError, match="callable, got 3"):
        GoalReward(3)
    with pytest.raises(ConfigurationError, match="equally many"):
        GoalReward(distance, achieved_dims=(0, 1), desired_dims=(0,))


def test_a_part_of_factories(generator):
    part = partial(known_goal_reward, compute_reward=distance, achieved_dims=(1, 2))
    reward = part(4, 2, 3, device="cpu")
    state, context = (torch.randn(5, n, generator=generator) for n in (4, 2))
    found = reward(state, context, torch.zeros(5, 3), state)
    torch.testing.assert_close(found, -(state[:, 1:3] - context).norm(dim=-1))
    assert not list(reward.parameters())


@pytest.mark.parametrize(
    ("sizes", "dims", "message"),
    [
        (
            (2, 2),
            {"achieved_dims": (0, 2)},
            r"no columns \[0, 2\] in a latent state of 2",
        ),
        (
            (3, 2),
            {"achieved_dims": (0, 1), "desired_dims": (-1, 0)},
            "in a context of 2",
        ),
        ((3, 2), {}, "equally many"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(sizes, dims, message):
    with pytest.raises(ConfigurationError, match=message):
        known_goal_reward(*sizes, 1, compute_reward=distance, **dims)
