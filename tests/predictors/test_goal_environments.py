"""What is read off goal environments."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

import layeredrl.envs
from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.nets import FixedEncoderNet
from layeredrl.predictors import (
    EnvironmentGoalFunction,
    Hindsight,
    get_default_predictor_factory,
    hindsight_for,
    known_reward_for,
)
from layeredrl.utils.recipe_codec import decode, encode
from layeredrl.utils.spaces import ObservationLayout
from tests.toys import GoalEnv, NestedGoalEnv, unbounded

gym.register_envs(layeredrl.envs)


class Unpaid(GoalEnv):
    """A goal environment that keeps its reward to itself."""

    compute_reward = property()

    def step(self, action):
        return self._obs(), 0.0, False, False, {}


class Pictured(GoalEnv):
    """Goals that are pictures."""

    def __init__(self):
        super().__init__()
        picture = spaces.Box(0, 255, (4, 4), np.uint8)
        self.observation_space = spaces.Dict(
            {
                "observation": unbounded(1),
                "achieved_goal": picture,
                "desired_goal": picture,
            }
        )


def test_hindsight_finds_columns_and_functions():
    env = gym.make_vec("Maze2D-Open-v0", 3, terminate_on_success=True)
    hindsight = hindsight_for(env, strategy="final", ratio=0.5, decision_reward="sum")
    layout = ObservationLayout.of(env.single_observation_space)
    assert list(hindsight.achieved) == layout.columns_of("achieved_goal")
    assert list(hindsight.desired) == layout.columns_of("desired_goal")
    assert (hindsight.strategy, hindsight.ratio) == ("final", 0.5)
    assert hindsight.decision_reward == "sum"
    for name in ("compute_reward", "compute_terminated"):
        function = getattr(hindsight, name)
        assert type(function) is EnvironmentGoalFunction
        assert function.constructor_arguments() == {
            "env_id": "Maze2D-Open-v0",
            "env_kwargs": {"layout": "Open", "terminate_on_success": True},
            "name": name,
        }


def test_columns_are_those_of_flattened_observations():
    env = SyncVectorEnv([lambda: gym.wrappers.FlattenObservation(GoalEnv())])
    obs, _ = env.reset(seed=0)
    hindsight = hindsight_for(env)
    assert obs[0, list(hindsight.achieved)].tolist() == [0.0, 0.0]
    assert (obs[0, list(hindsight.desired)] != 0).all()


def test_termination_is_left_alone_where_the_environment_does_not_say():
    assert hindsight_for(GoalEnv()).compute_terminated is None


def test_hindsight_is_written_into_checkpoints():
    hindsight = hindsight_for(gym.make_vec("Maze2D-Open-v0", 3))
    again = decode(encode(hindsight))
    assert type(again) is Hindsight
    assert encode(again) == encode(hindsight)
    with pytest.raises(ConfigurationError, match="cannot be written into a checkpoint"):
        encode(hindsight_for(GoalEnv()))


def test_a_known_reward_is_the_environments():
    env = gym.make_vec("Maze2D-UMaze-v0", 3)
    layout = ObservationLayout.of(env.single_observation_space)
    # The goal is the second part of the latent state.
    state = [*layout.columns_of("observation"), *layout.columns_of("achieved_goal")]
    part = decode(encode(known_reward_for(env, state)))
    assert type(part) is partial
    factory = get_default_predictor_factory(env, 0)
    factory.partial_rew_func = part
    factory.partial_encoder = partial(
        FixedEncoderNet,
        latent_state_dims=state,
        context_dims=layout.columns_of("desired_goal"),
    )
    predictor = factory(
        layout.shape, env.single_action_space, torch.device("cpu"), None
    )
    state, context = torch.randn(5, 4), torch.randn(5, 2)
    next_state = torch.randn(5, 4)
    found = predictor.rew_func(state, context, torch.zeros(5, 2), next_state)
    paid = env.unwrapped.compute_reward(next_state[:, 2:].numpy(), context.numpy())
    np.testing.assert_allclose(found.numpy(), paid, rtol=1e-5)


def test_a_known_reward_needs_the_achieved_goal():
    with pytest.raises(ConfigurationError, match="needs achieved_goal in the latent"):
        known_reward_for(gym.make_vec("Maze2D-Open-v0", 1), [4, 5])


@pytest.mark.parametrize("find", [hindsight_for, lambda env: known_reward_for(env, [])])
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: gym.make("Pendulum-v1"), SpaceError, "goal-based"),
        (NestedGoalEnv, SpaceError, "called with vectors, but 'achieved_goal' is Dict"),
        (Pictured, SpaceError, "called with vectors"),
    ],
)
def test_other_environments_are_refused(find, make, error, message):
    with pytest.raises(error, match=message):
        find(make())


def test_goal_environments_that_do_not_say_what_they_pay_are_refused():
    with pytest.raises(ConfigurationError, match="no compute_reward"):
        hindsight_for(Unpaid())
    with pytest.raises(ConfigurationError, match="no compute_reward"):
        known_reward_for(Unpaid(), range(6))
