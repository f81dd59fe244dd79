import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from gymnasium.wrappers import FilterObservation, FlattenObservation, TimeLimit
from gymnasium.wrappers import vector as vector_wrappers

import layeredrl.envs  # noqa: F401  (registers the mazes)
from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.predictors import RewardPredictor, get_default_predictor_factory
from layeredrl.utils.spaces import ObservationLayout
from tests.toys import ACTIONS, GoalEnv, NestedGoalEnv, unbounded

CPU = torch.device("cpu")
ENVS = {
    "plain": GoalEnv,
    "wrapped": lambda: TimeLimit(GoalEnv(), 5),
    "flattened": lambda: TimeLimit(FlattenObservation(GoalEnv()), 5),
    "filtered": lambda: FilterObservation(GoalEnv(), ["achieved_goal", "desired_goal"]),
    "filtered and flattened": lambda: FlattenObservation(
        FilterObservation(GoalEnv(), ["achieved_goal", "desired_goal"])
    ),
    "sync": lambda: SyncVectorEnv([GoalEnv] * 2),
    "sync of flattened": lambda: SyncVectorEnv([ENVS["flattened"]] * 2),
    "wrapped sync": lambda: vector_wrappers.RecordEpisodeStatistics(
        SyncVectorEnv([GoalEnv] * 2)
    ),
    "flattened sync": lambda: vector_wrappers.FlattenObservation(
        SyncVectorEnv([GoalEnv] * 2)
    ),
    "nested": NestedGoalEnv,
    "nested and flattened": lambda: FlattenObservation(NestedGoalEnv()),
}


def flat(env, obs):
    """One instance's observation as a level would see it."""
    if isinstance(env, gym.vector.VectorEnv):
        layout = ObservationLayout.of(env.single_observation_space)
        return layout.flatten(obs, env.num_envs)[0]
    return np.asarray(spaces.flatten(env.observation_space, obs), np.float32)


def base_goals(env):
    """What the environment itself takes its goals to be, flattened."""
    if isinstance(env, gym.vector.VectorEnv):
        env = env.unwrapped.envs[0]
    base = env.unwrapped
    obs, space = base._obs(), base.observation_space
    return [
        np.asarray(spaces.flatten(space[key], obs[key]), np.float32)
        for key in ("achieved_goal", "desired_goal")
    ]


@pytest.fixture(params=ENVS)
def env(request):
    env = ENVS[request.param]()
    yield env
    env.close()


def test_the_goals_are_latent_state_and_context(env):
    obs, _ = env.reset(seed=3)
    vector = flat(env, obs)
    achieved, desired = base_goals(env)
    predictor = get_default_predictor_factory(env, 0)(vector.shape, ACTIONS, CPU, None)
    state, context = predictor.encode(torch.tensor(vector))
    torch.testing.assert_close(context, torch.tensor(desired))
    # The nested toy counts how often it was looked at.
    if isinstance(env.unwrapped, NestedGoalEnv):
        achieved -= 1.0
    torch.testing.assert_close(state, torch.tensor(achieved))


@pytest.mark.slow
def test_environments_in_other_processes():
    env = AsyncVectorEnv([ENVS["flattened"]] * 2, context="spawn")
    try:
        obs, _ = env.reset(seed=3)
        factory = get_default_predictor_factory(env, 0)
    finally:
        env.close()
    predictor = factory((5,), ACTIONS, CPU, None)
    _, context = predictor.encode(torch.tensor(obs[0], dtype=torch.float32))
    single, _ = GoalEnv().reset(seed=3)
    torch.testing.assert_close(context, torch.tensor(single["desired_goal"]))


def test_what_it_consists_of():
    predictor = get_default_predictor_factory(GoalEnv(), 700)((5,), ACTIONS, CPU, None)
    model = predictor.model
    assert isinstance(predictor, RewardPredictor) and not predictor.learn_encoder
    assert (model.n_models, model.n_modes) == (1, 4)
    assert model.config.normalize_targets
    assert model.config.sb_start_duration == 700
    assert not list(predictor.encoder.parameters())
    assert predictor.val_func is None
    assert list(predictor.rew_func.parameters())


def test_the_symmetry_breaking_start_can_be_switched_off():
    wide = spaces.Box(-1, 1, (7,))
    build = get_default_predictor_factory
    assert build(GoalEnv(), 0)((5,), wide, CPU, None).model.learned_share() == 1.0
    with pytest.raises(ConfigurationError, match="got 2 and 7"):
        build(GoalEnv(), 100)((5,), wide, CPU, None)


def test_two_environments_do_not_influence_each_other():
    # A cache in the module once made the second one wrong.
    narrow, wide = GoalEnv(dim=2), GoalEnv(dim=4, noise_keys=3)
    factories = [
        get_default_predictor_factory(e, n) for e, n in ((narrow, 0), (wide, 9))
    ]
    for _ in range(2):
        one = factories[0]((5,), ACTIONS, CPU, None)
        two = factories[1]((11,), ACTIONS, CPU, None)
        assert (one.latent_state_dim, two.latent_state_dim) == (2, 4)
        assert one.encoder.state_columns.tolist() == [0, 1]
        assert two.encoder.state_columns.tolist() == [0, 1, 2, 3]
        assert two.encoder.context_columns.tolist() == [4, 5, 6, 7]
        assert one.model.config.sb_start_duration == 0
        assert two.model.config.sb_start_duration == 9


class FakeEnv(gym.Env):
    def __init__(self, space):
        self.observation_space = space
        self.action_space = ACTIONS

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}


@pytest.mark.parametrize(
    ("space", "found"),
    [
        (unbounded(3), r"Box\(-inf, inf, \(3,\)"),
        (spaces.Discrete(3), r"Discrete\(3\)"),
        (
            spaces.Dict(observation=unbounded(1), goal=unbounded(2)),
            "'observation', 'goal'",
        ),
        (spaces.Dict(achieved_goal=unbounded(1)), "'achieved_goal'"),
        (spaces.Dict(desired_goal=unbounded(1)), "'desired_goal'"),
    ],
)
def test_other_environments_are_named_with_their_keys(space, found):
    for env in (FakeEnv(space), SyncVectorEnv([lambda: FakeEnv(space)])):
        with pytest.raises(SpaceError, match=f"but this one has .*{found}"):
            get_default_predictor_factory(env, 0)


def test_goals_that_a_wrapper_took_away_are_missed():
    env = FilterObservation(GoalEnv(), ["observation", "desired_goal"])
    with pytest.raises(SpaceError, match="keys .*desired_goal.*, .*observation"):
        get_default_predictor_factory(env, 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: gym.make("Maze2D-UMaze-v0"),
        lambda: FlattenObservation(gym.make("Maze2D-UMaze-v0")),
        lambda: gym.make_vec("Maze2D-UMaze-v0", num_envs=2),
    ],
)
def test_our_own_mazes(make):
    env = make()
    obs, _ = env.reset(seed=0)
    vector = flat(env, obs)
    factory = get_default_predictor_factory(env, 10)
    state, context = factory(vector.shape, ACTIONS, CPU, None).encode(
        torch.tensor(vector)
    )
    alone, _ = gym.make("Maze2D-UMaze-v0").reset(seed=0)
    np.testing.assert_allclose(state, alone["achieved_goal"], rtol=1e-6)
    np.testing.assert_allclose(context, alone["desired_goal"], rtol=1e-6)
    env.close()


ROBOTS = {
    "FetchReach-v4": (3, 3),
    "FetchPickAndPlaceDense-v4": (3, 3),
    "HandReach-v3": (15, 15),
    "PointMaze_UMaze-v3": (2, 2),
    "AntMaze_UMaze-v5": (2, 2),
    "FrankaKitchen-v1": (None, None),
}


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ROBOTS)
@pytest.mark.parametrize("flatten", [True, False])
@pytest.mark.filterwarnings("ignore")
def test_the_robots_of_gymnasium(env_id, flatten):
    gym.register_envs(pytest.importorskip("gymnasium_robotics"))
    env = gym.make(env_id)
    base = env.unwrapped.observation_space
    if flatten:
        env = FlattenObservation(env)
    obs, _ = env.reset(seed=0)
    layout = ObservationLayout.of(env.observation_space)
    vector = layout.flatten(_batched(obs), 1)
    factory = get_default_predictor_factory(env, 0)
    predictor = factory(vector.shape[1:], env.action_space, CPU, None)
    dims = tuple(spaces.flatdim(base[k]) for k in ("achieved_goal", "desired_goal"))
    assert (predictor.latent_state_dim, predictor.context_dim) == dims
    assert None in ROBOTS[env_id] or dims == ROBOTS[env_id]
    raw = env.unwrapped.observation_space
    columns = ObservationLayout.of(raw)
    state, context = predictor.encode(torch.tensor(vector[0]))
    assert torch.equal(
        state, torch.tensor(vector[0])[columns.columns_of("achieved_goal")]
    )
    assert torch.equal(
        context, torch.tensor(vector[0])[columns.columns_of("desired_goal")]
    )
    env.close()


def _batched(obs):
    if isinstance(obs, dict):
        return {key: _batched(value) for key, value in obs.items()}
    return np.asarray(obs)[None]
