"""What every planner does."""

from functools import partial

import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.models import KnownDynamics
from layeredrl.nets import ReachedRewardNet, TransitionReward
from layeredrl.optimizers import (
    MPPI,
    CategoricalCEM,
    CategoricalCEMConfig,
    CEMConfig,
    Gradient,
    GradientConfig,
    ICEMConfig,
    MPPIConfig,
    RandomShooting,
)
from layeredrl.planners import (
    CEMPlanner,
    ObjectiveConfig,
    OptimizerPlanner,
    Planner,
    PlannerConfig,
)
from layeredrl.utils.spaces import features_to_action
from tests.planners import worlds
from tests.toys import ACTIONS, WIDER_NET, ensemble, transitions, unbounded

N = 3
# The bounds are neither symmetric nor the same for both features.
BOX = spaces.Box(np.array([-1.0, -0.5]), np.array([0.6, 1.0]), dtype=np.float64)
CHOICES = spaces.Discrete(5, start=-2)
STEPS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


def move_by_choice(state, context, action):
    return state + 0.5 * action @ STEPS


def reward_by_choice(state, context, action):
    return -(move_by_choice(state, context, action) - context).norm(dim=-1)


PLANNERS = {
    "icem": partial(CEMPlanner, search=ICEMConfig(n_candidates=64)),
    "cem": partial(CEMPlanner, use_icem=False, search=CEMConfig(n_candidates=64)),
    "mppi": partial(
        OptimizerPlanner, partial_optimizer=partial(MPPI, config=MPPIConfig())
    ),
    "shooting": partial(OptimizerPlanner, partial_optimizer=RandomShooting),
    "gradient": partial(
        OptimizerPlanner,
        partial_optimizer=partial(Gradient, config=GradientConfig(n_starts=4)),
    ),
    "gradient within cem": partial(
        OptimizerPlanner,
        partial_optimizer=partial(
            Gradient,
            config=GradientConfig(
                n_steps=2, interleave=CEMConfig(n_candidates=32, n_iterations=3)
            ),
        ),
    ),
    "categorical": partial(
        OptimizerPlanner,
        partial_optimizer=partial(
            CategoricalCEM, config=CategoricalCEMConfig(n_candidates=128)
        ),
    ),
}


@pytest.fixture(params=PLANNERS)
def name(request):
    return request.param


@pytest.fixture
def space(name):
    return CHOICES if name == "categorical" else BOX


@pytest.fixture
def world(name):
    if name != "categorical":
        return worlds.predictor(actions=BOX)
    return worlds.predictor(reward_by_choice, actions=CHOICES, function=move_by_choice)


def build(name, world, space, number=0, **config):
    config = PlannerConfig(**({"horizon": 6} | config))
    return PLANNERS[name](
        world, space, N, np.random.SeedSequence(number), config=config
    )


@pytest.fixture
def goals():
    return torch.tensor([[1.5, 1.5], [-2.0, 1.0], [1.0, -1.0]])


def test_plans_lie_in_the_action_space(name, world, space, goals):
    planner = build(name, world, space)
    assert isinstance(planner, Planner)
    for _ in range(2):
        plan = planner.plan(torch.zeros(N, 2), goals, np.arange(N))
        dim = 5 if name == "categorical" else 2
        assert plan.actions.shape == (N, 6, dim)
        assert plan.info.mean.shape == plan.info.std.shape == (N, 6, dim)
        assert plan.info.predicted_states.shape == (N, 7, 2)
        for t in range(6):
            for action in features_to_action(space, plan.actions[:, t].numpy()):
                assert space.contains(action)


def test_following_the_plans_reaches_the_goals(name, world, space, goals):
    planner = build(name, world, space)
    state = torch.zeros(N, 2)
    for _ in range(20):
        plan = planner.plan(state, goals, np.arange(N))
        predicted = plan.info.predicted_states[:, 1]
        state = world.model.function(state, goals, plan.actions[:, 0])
        torch.testing.assert_close(predicted, state)
    distance = (state - goals).norm(dim=-1)
    # In half steps along the axes there is no closer place than these corners.
    assert (distance < (0.3 if name == "shooting" else 0.15)).all()


def test_same_seed_same_plans(name, world, space, goals):
    plans = []
    for number in (0, 0, 1):
        planner = build(name, world, space, number)
        for _ in range(2):
            plan = planner.plan(torch.zeros(N, 2), goals, np.arange(N))
        plans.append(torch.cat([plan.actions.flatten(), plan.info.mean.flatten()]))
    assert torch.equal(plans[0], plans[1]) and not torch.equal(plans[0], plans[2])


def test_state_continues_identically(name, world, space, goals):
    planner = build(name, world, space)
    planner.plan(torch.zeros(N, 2), goals, np.arange(N))
    loaded = build(name, world, space, 5)
    loaded.load_state_dict(planner.state_dict())
    active = np.array([2, 0])
    one, two = (
        p.plan(torch.zeros(2, 2), goals[active], active) for p in (planner, loaded)
    )
    assert torch.equal(one.actions, two.actions)


# ICEM tries the reset instances' start as further candidates, where a fresh one has none.
@pytest.mark.parametrize("name", sorted(PLANNERS.keys() - {"icem"}), indirect=True)
def test_after_a_reset_the_search_starts_from_nothing(name, world, space, goals):
    planner, fresh = build(name, world, space), build(name, world, space)
    everyone = np.arange(N)
    planner.plan(torch.zeros(N, 2), goals, everyone)
    planner.reset(everyone)
    generator = planner.state_dict()["generator"]
    fresh.load_state_dict(fresh.state_dict() | {"generator": generator})
    one, two = (
        p.plan(torch.zeros(N, 2), -goals, everyone).info.mean for p in (planner, fresh)
    )
    assert torch.equal(one, two)


def test_values_are_those_of_the_returned_actions(name, world, space, goals):
    config = ObjectiveConfig(gamma=0.8)
    planner = build(name, world, space, objective=config)
    actions, info = planner.plan(torch.zeros(N, 2), goals, np.arange(N))
    rollout = world.rollout_latent(torch.zeros(N, 2), goals, actions, True)
    expected = (rollout.rew[:, 0, 0] * 0.8 ** torch.arange(6)).sum(-1)
    torch.testing.assert_close(info.value, expected)
    torch.testing.assert_close(info.predicted_return, expected)


def test_parameters_get_no_gradients(name, space):
    context_dim = 2
    model = ensemble(2, context_dim, space, n_models=2)
    world = worlds.predictor(
        ReachedRewardNet(2, context_dim, model.action_dim, hidden_sizes=(8,)),
        model=model,
    )
    planner = build(name, world, space)
    plan = planner.plan(torch.zeros(N, 2), torch.ones(N, 2), np.arange(N))
    assert not plan.actions.requires_grad and not plan.info.value.requires_grad
    assert all(p.grad is None for p in world.parameters())


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize(
    "name", ["icem", "gradient", "gradient within cem"], indirect=True
)
def test_plans_through_a_learned_model(name, stochastic):
    class Distance(TransitionReward):
        def forward(self, state, context, action, next_state):
            return -(next_state - context).norm(dim=-1)

    model = ensemble(2, 2, ACTIONS, n_modes=2, net=WIDER_NET)
    adam = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(250):
        data = transitions(128, 2, 2, 2, seed=step)
        data = data._replace(
            action=data.action.clamp(-1, 1),
            terminated=torch.zeros(128, dtype=torch.bool),
        )
        following = worlds.move(data.state, data.context, data.action)
        model.learn(data._replace(next_state=following), adam, step)
    world = worlds.predictor(Distance(), model=model)
    world.generator = torch.Generator().manual_seed(0)
    config = ObjectiveConfig(deterministic=not stochastic)
    planner = build(name, world, ACTIONS, objective=config)
    state = torch.tensor([[0.5, 0.0], [-0.5, -0.5], [0.0, 0.0]])
    goals = torch.tensor([[-0.5, 0.5], [1.0, 0.0], [0.0, -1.0]])
    before = (state - goals).norm(dim=-1)
    for _ in range(8):
        plan = planner.plan(state, goals, np.arange(N))
        state = worlds.move(state, goals, plan.actions[:, 0])
    assert ((state - goals).norm(dim=-1) < 0.4 * before).all()


def test_matrix_actions_are_planned_as_their_features():
    space = spaces.Box(-1, 1, (2, 3), np.float32)
    model = KnownDynamics(
        unbounded(2), unbounded(2), space, lambda s, c, a: s + a[..., [0, 4]]
    )
    world = worlds.predictor(lambda s, c, a: -(s - c).norm(dim=-1), model=model)
    planner = build("icem", world, space)
    plan = planner.plan(torch.zeros(N, 2), torch.full((N, 2), 20.0), np.arange(N))
    assert plan.actions.shape == (N, 6, 6)
    assert space.contains(features_to_action(space, plan.actions[:, 0].numpy())[0])
    assert (plan.actions[:, 0, [0, 4]] > 0.2).all()
