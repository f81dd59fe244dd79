"""What the latent state of a goal-based environment is made of."""

import dataclasses

import pytest
import torch

from experiments.builders.skill_arguments import SkillArguments
from experiments.builders.skills import planner_level
from experiments.planner import PlannerArguments, choose_predictor
from experiments.running.environments import make_vector_env
from layeredrl.errors import SpaceError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import SPlaTESLevel
from layeredrl.utils.spaces import ObservationLayout

TINY = SkillArguments(env_id="PointMaze_UMaze-v3")


def state_of(arguments):
    """The latent state of some observations, and the observations."""
    env = make_vector_env(arguments.env_id, 3, {})
    levels = [planner_level(arguments, env), SPlaTESLevel(skill_dim=2)]
    encoder = Hierarchy(levels, env).levels[0].predictor.encoder
    obs, _ = env.reset(seed=0)
    flat = ObservationLayout.of(env.single_observation_space).flatten(obs, 3)
    state, context = encoder(torch.from_numpy(flat))
    assert torch.allclose(context, torch.from_numpy(obs["desired_goal"]).float())
    return state, {key: torch.from_numpy(x).float() for key, x in obs.items()}


def test_columns_of_the_observation_join_the_keys():
    state, obs = state_of(dataclasses.replace(TINY, state_columns=(3, 2)))
    assert torch.allclose(state[:, :2], obs["achieved_goal"])
    assert torch.allclose(state[:, 2:], obs["observation"][:, [3, 2]])


def test_without_them_there_are_only_the_keys():
    state, obs = state_of(dataclasses.replace(TINY, state_keys=("observation",)))
    assert torch.allclose(state, obs["observation"])


@pytest.mark.parametrize("columns", [(4,), (0, -1)])
def test_columns_that_are_not_there_are_named(columns):
    arguments = dataclasses.replace(TINY, state_columns=columns)
    env = make_vector_env(arguments.env_id, 1, {})
    with pytest.raises(SpaceError, match=rf"\[{columns[-1]}\].* 4 columns"):
        planner_level(arguments, env)


def test_the_flat_planner_takes_them_too():
    arguments = PlannerArguments(env_id=TINY.env_id, state_columns=(2, 3))
    env = make_vector_env(arguments.env_id, 1, {})
    assert choose_predictor(arguments, env).partial_encoder.keywords[
        "latent_state_dims"
    ] == (0, 1, 6, 7)
