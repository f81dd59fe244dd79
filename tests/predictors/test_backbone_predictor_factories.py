"""Predictors whose latent states remember, or see."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers import FlattenObservation, TimeLimit
from tianshou.data import Batch

from layeredrl.errors import ConfigurationError, ShapeError, SpaceError
from layeredrl.nets import BackboneEncoder, ReachedRewardNet, RewardNet
from layeredrl.nets.cnn import GridworldCNN, IMPALAishCNN
from layeredrl.nets.traj_encoders import FFTrajEncoder, TformerTrajEncoder
from layeredrl.predictors import (
    get_memory_predictor_factory,
    get_pixel_predictor_factory,
)
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.recipe_codec import decode, encode
from layeredrl.utils.spaces import ObservationLayout
from tests.nets.backbones import CHOICE, GRU, STEP, TRAJ_ENCODERS, WITH_MEMORY
from tests.toy_envs import OBSERVATIONS, Line, Spaces, lines
from tests.toys import GoalEnv, NestedGoalEnv, unbounded

CPU = torch.device("cpu")
PICTURE = spaces.Box(0, 255, (16, 16, 3), np.uint8)
PICTURES = spaces.Dict({"observation": PICTURE, "goal": unbounded(2)})
GOAL_PICTURES = spaces.Dict(
    {
        "observation": PICTURE,
        "achieved_goal": unbounded(2),
        "desired_goal": unbounded(2),
    }
)
TINY_CNN = partial(get_pixel_predictor_factory, cnn_type=GridworldCNN)
TINY = {"tstep_encoder_type": STEP, "max_seq_len": 8}


def predictor_of(factory, space, actions):
    torch.manual_seed(0)
    return factory(ObservationLayout.of(space).shape, actions, CPU, None)


def replay(space, actions, n_steps=12, n_rings=3):
    """Random transitions of such spaces, rewards told apart by what is seen."""
    layout, rng = ObservationLayout.of(space), np.random.default_rng(0)
    buffer = TransitionBuffer(100, n_rings, np.random.SeedSequence(0))

    def observe():
        obs = {"vector": rng.normal(size=(n_rings, layout.dim)).astype(np.float32)}
        for name, shape in layout.images.items():
            obs[name] = rng.integers(0, 256, (n_rings, *shape)).astype(np.uint8)
        return Batch(obs) if layout.images else obs["vector"]

    obs = observe()
    for t in range(n_steps):
        obs_next = observe()
        if isinstance(actions, spaces.Discrete):
            act = np.eye(actions.n, dtype=np.float32)[rng.integers(actions.n, size=3)]
        else:
            act = rng.uniform(-1, 1, (n_rings, *actions.shape)).astype(np.float32)
        is_end = np.full(n_rings, t % 5 == 4)
        info = Batch(time_idx=np.full(n_rings, t % 5))
        step = {"obs": obs, "act": act, "rew": rng.normal(size=n_rings)}
        step |= {"terminated": ~is_end & is_end, "truncated": is_end, "info": info}
        buffer.add(Batch(**step, obs_next=obs_next), buffer_ids=np.arange(n_rings))
        obs = obs_next
    return buffer


# What latents are


@pytest.mark.parametrize(
    "env",
    [
        GoalEnv(),
        TimeLimit(FlattenObservation(GoalEnv()), 5),
        SyncVectorEnv([GoalEnv] * 2),
        SyncVectorEnv([lambda: FlattenObservation(GoalEnv())] * 2),
    ],
    ids=["plain", "flattened", "sync", "sync of flattened"],
)
def test_goal_environments_show_their_state(env):
    predictor = predictor_of(
        get_memory_predictor_factory(env, GRU, **TINY),
        GoalEnv().observation_space,
        GoalEnv().action_space,
    )
    assert (predictor.latent_state_dim, predictor.context_dim) == (2, 8)
    obs = torch.randn(5, 5)  # achieved goal 2, desired goal 2, observation 1
    state, context = predictor.encode(obs)
    assert torch.equal(state, obs[:, :2])
    assert not torch.allclose(context, predictor.encode(obs + 1)[1])


def test_goals_may_be_nested():
    env = NestedGoalEnv()
    factory = get_memory_predictor_factory(env, GRU, n_state_features=2, **TINY)
    predictor = predictor_of(factory, env.observation_space, env.action_space)
    assert predictor.latent_state_dim == 3 + 2
    obs = torch.randn(5, 8)
    assert torch.equal(predictor.encode(obs)[0][:, :3], obs[:, :3])


@pytest.mark.parametrize("kind", ["box", "dict"])
def test_without_goals_all_vectors_are_the_state(kind):
    factory = get_memory_predictor_factory(Line(kind), GRU, **TINY)
    predictor = predictor_of(factory, OBSERVATIONS[kind], Line().action_space)
    obs = torch.randn(4, 3)
    assert torch.equal(predictor.encode(obs)[0], obs)


def test_chosen_keys_are_the_state():
    factory = get_memory_predictor_factory(
        Line("dict"), GRU, state_keys=["where.time"], n_context_features=0, **TINY
    )
    predictor = predictor_of(factory, OBSERVATIONS["dict"], Line().action_space)
    state, context = predictor.encode(torch.tensor([[1.0, 2.0, 3.0]]))
    assert state.tolist() == [[3.0]] and context.shape == (1, 0)


@pytest.mark.parametrize("space", [PICTURES, GOAL_PICTURES, PICTURE], ids=str)
def test_pictures_are_all_that_is_looked_at(space):
    factory = TINY_CNN(Spaces(obs=space), n_state_features=5, n_context_features=3)
    predictor = predictor_of(factory, space, Spaces().single_action_space)
    layout = ObservationLayout.of(space)
    name = next(iter(layout.images))
    obs = {
        "vector": torch.randn(4, layout.dim),
        name: torch.randint(0, 256, (4, 16, 16, 3), dtype=torch.uint8),
    }
    state, context = predictor.encode(obs)
    assert state.shape == (4, 5) and context.shape == (4, 3)
    same = predictor.encode({**obs, "vector": obs["vector"] + 1})
    assert torch.equal(same[0], state) and torch.equal(same[1], context)
    other = predictor.encode({**obs, name: obs[name] // 2})
    assert not torch.allclose(other[0], state)


def test_defaults_are_a_transformer_and_no_memory():
    env = Spaces(obs=PICTURES)
    memory = get_memory_predictor_factory(env).partial_encoder.keywords
    assert memory["partial_traj_encoder"].func is TformerTrajEncoder
    assert TINY_CNN(env).partial_encoder.keywords["partial_traj_encoder"] is None


@pytest.mark.parametrize("get", [get_memory_predictor_factory, TINY_CNN])
def test_goal_environments_pay_for_what_was_reached(get):
    for space, kind in ((GOAL_PICTURES, ReachedRewardNet), (PICTURES, RewardNet)):
        predictor = predictor_of(
            get(Spaces(obs=space)), space, Spaces().single_action_space
        )
        assert type(predictor.rew_func) is kind


def test_pictures_are_shifted_if_asked_for():
    for shifts in (True, False):
        factory = TINY_CNN(Spaces(obs=PICTURES), drqv2_aug=shifts)
        encoder = predictor_of(factory, PICTURES, Spaces().single_action_space).encoder
        images = torch.randint(0, 256, (6, 16, 16, 3), dtype=torch.uint8)
        obs = {"vector": torch.zeros(6, 2), "observation": images}
        encoder.train()
        one, other = encoder(obs)[0], encoder(obs)[0]
        assert torch.equal(one, other) != shifts


# Actions


def test_choices_are_told_one_by_one():
    env = Line(actions=CHOICE)
    predictor = predictor_of(
        get_memory_predictor_factory(env, GRU, **TINY), OBSERVATIONS["box"], CHOICE
    )
    encoder = predictor.encoder
    assert isinstance(encoder, BackboneEncoder)
    assert encoder.tstep_encoder.rl2_dim == 1 + 3
    batch = predictor.compute_targets(replay(OBSERVATIONS["box"], CHOICE), 6, 2, 1)
    assert batch.act.shape == (6, 3, 3)


@pytest.mark.parametrize("get", [get_memory_predictor_factory, TINY_CNN])
def test_actions_may_be_those_of_a_level_below(get):
    env, skills = Spaces(obs=PICTURES), spaces.Box(-1.0, 1.0, (7,), np.float32)
    encoder = get(env, action_space=skills).partial_encoder
    assert encoder.keywords["action_space"] == skills
    assert get(env).partial_encoder.keywords["action_space"] == env.single_action_space


def test_a_level_with_other_actions_is_named():
    env, skills = Line(), spaces.Box(-1.0, 1.0, (7,), np.float32)
    factory = get_memory_predictor_factory(env, GRU, **TINY)
    predictor = predictor_of(factory, OBSERVATIONS["box"], skills)
    with pytest.raises(ShapeError, match="action_space must be the level's"):
        predictor.compute_targets(replay(OBSERVATIONS["box"], skills), 4, 1, 1)


# What is refused


def test_wrong_keys_are_named():
    env = Spaces(obs=GOAL_PICTURES)
    with pytest.raises(SpaceError, match="'eye'.*'observation'"):
        get_pixel_predictor_factory(env, pixel_key="eye")
    with pytest.raises(SpaceError, match="'achieved_goal'.*'observation'"):
        get_pixel_predictor_factory(env, pixel_key="achieved_goal")
    with pytest.raises(SpaceError, match="'eye'.*'observation'"):
        get_pixel_predictor_factory(Spaces(obs=PICTURE), pixel_key="eye")
    with pytest.raises(SpaceError, match=r"\[\]"):
        get_pixel_predictor_factory(GoalEnv())
    factory = get_memory_predictor_factory(GoalEnv(), GRU, state_keys=("velocity",))
    with pytest.raises(SpaceError, match="'velocity'.*'achieved_goal'"):
        predictor_of(factory, GoalEnv().observation_space, GoalEnv().action_space)


def test_an_observation_map_is_named():
    factory = get_memory_predictor_factory(GoalEnv(), GRU)
    with pytest.raises(SpaceError, match=r"shape \(4,\).*observation map"):
        factory((4,), GoalEnv().action_space, CPU, None)


@pytest.mark.parametrize("get", [get_memory_predictor_factory, TINY_CNN])
def test_arguments_of_the_predictor_are_passed_on(get):
    factory = get(Spaces(obs=PICTURES), n_models=3, gamma=0.5, encoder_warm_up=7)
    predictor = predictor_of(factory, PICTURES, Spaces().single_action_space)
    assert predictor.gamma == 0.5 and predictor.encoder_warm_up == 7
    assert predictor.model.n_models == 3
    with pytest.raises(TypeError, match="no_such"):
        factory = get(Spaces(obs=PICTURES), no_such=1)
        predictor_of(factory, PICTURES, Spaces().single_action_space)


@pytest.mark.parametrize("max_seq_len, n_steps", [(3, 1), (8, 1), (8, 5), (64, 20)])
def test_stretches_fit_into_the_window_by_default(max_seq_len, n_steps):
    given = {"max_seq_len": max_seq_len, "n_steps": n_steps}
    factory = get_memory_predictor_factory(Line(), GRU, **given)
    predictor = predictor_of(factory, OBSERVATIONS["box"], Line().action_space)
    longest = max_seq_len - n_steps - 1
    assert predictor.k_steps == min(16, longest)
    with pytest.raises(ConfigurationError):
        factory = get_memory_predictor_factory(
            Line(), GRU, k_steps=longest + 1, **given
        )
        predictor_of(factory, OBSERVATIONS["box"], Line().action_space)


# How they learn

CASES = {
    **{
        name: (partial(get_memory_predictor_factory, traj_encoder_type=t, **TINY), None)
        for name, t in TRAJ_ENCODERS.items()
        if t is not None
    },
    "pixels": (TINY_CNN, PICTURES),
    "impala": (partial(get_pixel_predictor_factory, cnn_type=IMPALAishCNN), PICTURES),
    "goals and pixels": (TINY_CNN, GOAL_PICTURES),
    "pixels and memory": (
        partial(
            TINY_CNN,
            traj_encoder_type=WITH_MEMORY["transformer"],
            drqv2_aug=True,
            max_seq_len=8,
        ),
        PICTURES,
    ),
}


def learner(name, **kwargs):
    get, space = CASES[name]
    space = space or GoalEnv().observation_space
    env = Spaces(obs=space, actions=CHOICE if name == "gru" else Line().action_space)
    factory = get(env, n_state_features=3, n_context_features=4, **kwargs)
    actions = env.single_action_space
    return predictor_of(factory, space, actions), replay(space, actions), factory


@pytest.mark.parametrize("name", CASES)
def test_the_reward_reaches_every_parameter_of_the_encoder(name):
    predictor, buffer, _ = learner(name)
    batch = predictor.compute_targets(buffer, 16, 2, 1)
    model_batch = predictor.sample_model_batch(buffer, 8)
    assert int(predictor.n_learn_calls) < predictor.encoder_warm_up  # reward alone
    loss, metrics = predictor.loss(batch, model_batch)
    torch.testing.assert_close(loss.detach(), metrics["rew_loss"])
    loss.backward()
    is_told = name != "pixels" and "and pixels" not in name and name != "impala"
    for where, parameter in predictor.encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), where
        if is_told or where != "tstep_encoder.rl2_features.weight":
            assert parameter.grad.any(), where


@pytest.mark.parametrize("name", CASES)
def test_learning_changes_all_parts_and_ends_in_evaluation_mode(name):
    predictor, buffer, _ = learner(name, encoder_warm_up=0)
    before = {k: v.clone() for k, v in predictor.named_parameters()}
    torch.manual_seed(0)
    loss, metrics = predictor.learn(buffer, 3, 8, 8, 36)
    assert loss.isfinite() and {"rew_loss", "consistency_loss"} <= metrics.keys()
    assert not any(module.training for module in predictor.modules())
    changed = {
        k.split(".")[0]
        for k, v in predictor.named_parameters()
        if not torch.equal(v, before[k])
    }
    assert {"encoder", "model", "rew_func"} <= changed


# Checkpoints


@pytest.mark.parametrize("name", CASES)
def test_the_recipe_can_be_written_down(name, tmp_path):
    predictor, buffer, factory = learner(name)
    save_checkpoint(tmp_path / "recipe.pt", "recipe", {"recipe": encode(factory)})
    read = decode(load_checkpoint(tmp_path / "recipe.pt", "recipe")["recipe"])
    space = CASES[name][1] or GoalEnv().observation_space
    actions = CHOICE if name == "gru" else Line().action_space
    again = predictor_of(read, space, actions)
    mine, other = predictor.state_dict(), again.state_dict()
    assert mine.keys() == other.keys()
    for key, value in mine.items():
        assert torch.equal(value, other[key]), key
    assert again.encoder.max_seq_len == predictor.encoder.max_seq_len
    batches = [
        p.compute_targets(replay(space, actions), 8, 2, 1) for p in (predictor, again)
    ]
    assert torch.equal(batches[0].state, batches[1].state)


def test_ff_learns_from_windows_as_the_others():
    """So the comparison without memory is told the same of the last step."""
    factory = get_memory_predictor_factory(Line(), FFTrajEncoder, **TINY)
    predictor = predictor_of(factory, OBSERVATIONS["box"], Line().action_space)
    assert predictor.encoder.max_seq_len == 8


def test_the_environment_may_be_a_vector_of_its_own():
    assert isinstance(lines(), gym.vector.VectorEnv)
    factory = get_memory_predictor_factory(lines(), GRU, **TINY)
    assert factory.partial_encoder.keywords["observation_space"] == OBSERVATIONS["box"]
