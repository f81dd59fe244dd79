"""What sequence actor-critics refuse, and their descriptions."""

import warnings
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, EmptyBufferError, SpaceError
from layeredrl.learners import SequenceActorCritic, SequenceActorCriticConfig
from layeredrl.nets.policy_dists import GMM
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.recipe_codec import decode, encode
from tests.learners.sequence_cases import BOX, IMAGES, build, config, filled, spec


@pytest.mark.parametrize(
    "wrong",
    [
        dict(max_seq_len=1),
        dict(gammas=(0.9, 1.0), gamma=0.9),
        dict(gammas=(-0.1,), gamma=-0.1),
        dict(gammas=()),
        dict(gamma=0.5),
        dict(actor_hidden=(0, 8)),
        dict(critic_hidden=(1, 0)),
        dict(critic="three_hot"),
        dict(n_critics=0),
        dict(n_target_critics=0),
        dict(n_target_critics=5),
        dict(n_bins=1),
        dict(return_range=(1.0, 1.0)),
        dict(tau=0.0),
        dict(tau=1.5),
        dict(learning_rate=0.0),
        dict(td_lambda=1.5),
        dict(max_grad_norm=0.0),
        dict(critic_coeff=0.0),
        dict(online_coeff=-1.0),
        dict(offline_coeff=-1.0),
        dict(online_coeff=0.0),
        dict(advantage_filter="all"),
        dict(advantage_temperature=0.0),
        dict(entropy_coeff=-1.0),
        dict(policy_dist=torch.nn.Linear),
        dict(policy_dist=GMM),
        dict(policy_dist=GMM, online_coeff=0.0, offline_coeff=1.0),
    ],
    ids=str,
)
def test_numbers_that_cannot_work_are_refused(wrong):
    name, *_ = wrong
    with pytest.raises(ConfigurationError, match=name):
        config(**wrong)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-np.inf, np.inf, (2,), np.float32),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary(3),
    ],
    ids=str,
)
def test_actions_of_other_kinds_are_refused(space):
    with pytest.raises(SpaceError):
        build(space)


def test_several_pictures_need_an_encoder_of_ones_own():
    shape = IMAGES | {"wrist": (36, 36, 3)}
    with pytest.raises(SpaceError, match="wrist"):
        SequenceActorCriticConfig().build(spec(obs_shape=shape))


def test_batches_without_windows_are_refused():
    learner = build()
    batch = filled(learner).sample(learner)
    with pytest.raises(ConfigurationError, match="windows"):
        learner.update(batch._replace(window=None))


def test_nothing_can_be_sampled_of_an_empty_buffer():
    buffer = TransitionBuffer(10, 1, np.random.SeedSequence(0))
    with pytest.raises(EmptyBufferError):
        build().sample(buffer, 4)


@pytest.mark.parametrize("critic", ["scalar", "two_hot"])
def test_defaults_are_built_without_a_warning(critic):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recipe = SequenceActorCriticConfig(critic=critic)
        learner = recipe.build(spec(BOX))
    assert isinstance(learner, SequenceActorCritic)
    assert (learner.gamma, learner.max_seq_len) == (recipe.gamma, recipe.max_seq_len)
    assert not learner.is_on_policy


def test_a_description_is_immutable_and_survives_a_checkpoint():
    recipe = replace(SequenceActorCriticConfig(), gammas=(0.5, 0.99), critic="two_hot")
    with pytest.raises(FrozenInstanceError):
        recipe.tau = 1.0
    again = decode(encode(recipe))
    assert replace(again, traj_encoder=None) == replace(recipe, traj_encoder=None)
    own, read = recipe.traj_encoder, again.traj_encoder
    assert (own.func, own.keywords) == (read.func, read.keywords)
