import time

import numpy as np
import pytest
import torch

from layeredrl.errors import CheckpointError, ConfigurationError, ShapeError
from layeredrl.optimizers import ICEM, ICEMConfig
from layeredrl.planners import (
    CEMPlanner,
    ObjectiveConfig,
    PlannerConfig,
    TrajectoryObjective,
    TrajectoryPlanner,
)
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from tests.planners import worlds
from tests.toys import ACTIONS

N = 5
T = 4


def seed(number=0):
    return np.random.SeedSequence(number)


def given(world=None, candidates=None, **config):
    """A planner in which nothing is left to chance."""
    optimizer = worlds.GivenCandidates(
        worlds.directions(T) if candidates is None else candidates
    )
    planner = TrajectoryPlanner(
        world or worlds.predictor(),
        optimizer,
        N,
        seed(),
        PlannerConfig(horizon=T, **config),
    )
    return planner, optimizer


def icem(world=None, number=0, n_instances=N, auxiliary=(), search=None, **config):
    search = search or ICEMConfig(n_candidates=32, n_iterations=3, elite_ratio=0.2)
    return CEMPlanner(
        world or worlds.predictor(),
        ACTIONS,
        n_instances,
        seed(number),
        PlannerConfig(**({"horizon": T} | config)),
        search,
        auxiliary_rewards=auxiliary,
    )


@pytest.fixture
def scene(generator):
    """States and goals of all instances, each in another direction."""
    angles = torch.arange(N) * 2 * torch.pi / N
    state = torch.randn(N, 2, generator=generator)
    return state, state + torch.stack([angles.cos(), angles.sin()], dim=-1)


def assert_same(one, two, **tolerances):
    for x, y in zip(one, two, strict=True):
        torch.testing.assert_close(x, y, **tolerances)


def rows(plan, index):
    info = [x[index] for x in plan.info if isinstance(x, torch.Tensor)]
    return [plan.actions[index], *info]


class TestInstances:
    def test_each_gets_a_plan_of_its_own(self, scene):
        state, goal = scene
        actions = icem().plan(state, goal, np.arange(N)).actions
        assert actions.shape == (N, T, 2)
        first = actions[:, 0]
        cosine = torch.cosine_similarity(first, goal - state, dim=-1)
        assert (cosine > 0.7).all()  # towards its own goal, not that of another

    @pytest.mark.parametrize(
        "active", [[0, 1, 2, 3, 4], [3], [4, 1], [2, 0, 3], [4, 3, 2, 1, 0]]
    )
    def test_plans_do_not_depend_on_who_else_plans(self, scene, active):
        # Three calls, so that warm starts and carried candidates matter.
        state, goal = scene
        together, _ = given()
        apart = [given()[0] for _ in range(N)]
        here = state.clone()
        for _ in range(3):
            plan = together.plan(here[active], goal[active], np.array(active))
            for row, i in enumerate(active):
                alone = apart[i].plan(here[i : i + 1], goal[i : i + 1], np.array([i]))
                assert_same(rows(plan, slice(row, row + 1)), rows(alone, slice(None)))
            here[active] = plan.info.predicted_states[:, 1]

    def test_subsets_in_turn_equal_everyone_at_once(self, scene):
        state, goal = scene
        whole, _ = given()
        parts, _ = given()
        for turn in range(4):
            at_once = whole.plan(state + turn, goal, np.arange(N)).actions
            for active in ([4, 0], [2], [1, 3]):
                plan = parts.plan(state[active] + turn, goal[active], np.array(active))
                torch.testing.assert_close(plan.actions, at_once[active])

    def test_nobody_active_is_legal(self, scene):
        state, goal = scene
        plan = given()[0].plan(state[:0], goal[:0], np.zeros(0, int))
        assert plan.actions.shape == (0, T, 2)

    @pytest.mark.parametrize("sizes", [(3, 5, 5), (5, 3, 5), (5, 5, 3)])
    def test_unequal_numbers_are_named(self, scene, sizes):
        state, goal = scene
        with pytest.raises(ShapeError, match=f"got {sizes[0]} states and {sizes[1]}"):
            given()[0].plan(state[: sizes[0]], goal[: sizes[1]], np.arange(sizes[2]))


class TestWarmStart:
    def test_shifts_each_instances_own_plan(self, scene):
        state, goal = scene
        planner, optimizer = given()
        initial = optimizer.initial_mean(1, T)[0]
        planner.plan(state[[1, 3]], goal[[1, 3]], np.array([1, 3]))
        plan = planner.plan(state[[0, 3]], goal[[0, 3]], np.array([0, 3]))
        first, second = (call["mean"] for call in optimizer.calls)
        assert (first == initial).all()
        assert torch.equal(second[0], initial)
        # What instance 3 had found, one step on, its last action repeated.
        best = worlds.directions(T)
        expected = [0.5 * (initial + candidate) for candidate in best]
        shifted = [torch.cat([m[1:], m[-1:]]) for m in expected]
        assert any(torch.allclose(second[1], s) for s in shifted)
        assert plan.info.mean.shape == (2, T, 2)

    def test_carried_candidates_stay_with_their_instance(self, scene):
        state, goal = scene
        planner, optimizer = given()
        plan = planner.plan(state, goal, np.arange(N))
        planner.plan(state[[2, 4]], goal[[2, 4]], np.array([2, 4]))
        carried = optimizer.calls[1]["candidates"]
        best = plan.actions[[2, 4]]
        expected = torch.cat([best[:, 1:], best[:, -1:]], dim=1)
        torch.testing.assert_close(carried[:, 0], expected)
        assert optimizer.calls[0]["candidates"] is None

    def test_reset_forgets_single_instances(self, scene):
        state, goal = scene
        planner, optimizer = given()
        planner.plan(state, goal, np.arange(N))
        planner.reset(np.array([3, 0]))
        planner.plan(state, goal, np.arange(N))
        initial = optimizer.initial_mean(1, T)[0]
        mean, carried = optimizer.calls[1]["mean"], optimizer.calls[1]["candidates"]
        for i in range(N):
            assert torch.equal(mean[i], initial) == (i in (0, 3))
            assert (carried[i] == initial).all().item() == (i in (0, 3))

    def test_resetting_those_without_a_plan_is_legal(self, scene):
        planner, _ = given()
        planner.reset(np.arange(N))
        planner.reset(np.zeros(0, int))

    def test_can_be_switched_off(self, scene):
        state, goal = scene
        planner, optimizer = given(warm_start=False)
        for _ in range(2):
            planner.plan(state, goal, np.arange(N))
        assert (optimizer.calls[1]["mean"] == optimizer.calls[0]["mean"]).all()
        assert optimizer.calls[1]["candidates"] is None

    def test_the_plan_handed_out_is_not_its_memory(self, scene):
        state, goal = scene
        planner, optimizer = given()
        plan = planner.plan(state, goal, np.arange(N))
        kept = planner.state_dict()
        plan.actions.zero_()
        plan.info.mean.zero_()
        assert torch.equal(kept["mean"], planner.state_dict()["mean"])
        assert torch.equal(kept["carried"], planner.state_dict()["carried"])

    def test_helps(self):
        # Two candidates per call find nothing alone, but plans are improved over calls.
        goal = torch.tensor([[3.0, 3.0]])
        state = torch.zeros(1, 2)
        search = ICEMConfig(n_iterations=1, n_candidates=8, elite_ratio=0.25)
        found = {}
        for warm in (True, False):
            planner = icem(n_instances=1, search=search, warm_start=warm, horizon=8)
            returns = [
                planner.plan(state, goal, np.array([0])).info.predicted_return.item()
                for _ in range(30)
            ]
            found[warm] = np.mean(returns[-10:])
        assert found[True] > found[False] + 1.0


class TestInfo:
    @pytest.mark.parametrize("return_mode", ["mean", "best", "sample"])
    def test_belongs_to_the_returned_actions(self, scene, return_mode):
        state, goal = scene
        search = ICEMConfig(n_candidates=32, n_iterations=3, return_mode=return_mode)
        config = ObjectiveConfig(
            gamma=0.9, terminal_value=True, disagreement_weight=-0.5
        )
        world = worlds.predictor(
            model=worlds.Quarrel(), val_func=lambda s, c, a: -s.square().sum(-1)
        )

        def effort(rollout, context, actions):
            return -actions.square().sum((1, 2))

        planner = icem(world, search=search, objective=config, auxiliary=[effort])
        actions, info = planner.plan(state, goal, np.arange(N))
        objective = TrajectoryObjective(world, state, goal, config, [effort])
        torch.testing.assert_close(info.value, objective(actions[:, None])[:, 0])
        rollout = world.rollout_latent(state, goal, actions, deterministic=True)
        torch.testing.assert_close(info.predicted_states, rollout.state.mean((1, 2)))
        torch.testing.assert_close(info.predicted_rewards, rollout.rew.mean((1, 2)))
        discounts = 0.9 ** torch.arange(T)
        torch.testing.assert_close(
            info.predicted_return, (info.predicted_rewards * discounts).sum(-1)
        )
        between = rollout.state.mean(2).var(1, unbiased=False).sum(-1)
        torch.testing.assert_close(info.disagreement, between)
        torch.testing.assert_close(info.predicted_states[:, 0], state)
        assert info.mean.shape == info.std.shape == (N, T, 2)
        assert info.n_iterations == 3

    def test_carries_no_gradient(self, scene):
        state, goal = scene
        plan = icem().plan(state.requires_grad_(), goal, np.arange(N))
        assert not plan.actions.requires_grad
        assert not any(x.requires_grad for x in plan.info[:-1])


class TestObjective:
    def test_disagreement_changes_the_choice(self):
        # The members agree about x and quarrel about y; reward lies along y.
        world = worlds.predictor(lambda s, c, a: a[..., 1], model=worlds.Quarrel())
        state, goal, active = torch.zeros(1, 2), torch.zeros(1, 2), np.array([0])
        candidates = torch.tensor(
            [[[0.0, 1.0]] * T, [[1.0, 0.0]] * T, [[0.0, 0.0]] * T]
        )
        chosen = {}
        for weight in (0.0, -1.0, 1.0):
            config = ObjectiveConfig(disagreement_weight=weight)
            planner, _ = given(world, candidates, objective=config)
            chosen[weight] = planner.plan(state, goal, active).actions[0, 0].tolist()
        assert chosen[0.0] == [0.0, 1.0] == chosen[1.0]
        assert chosen[-1.0] != [0.0, 1.0]

    def test_an_exploration_bonus_changes_the_choice(self):
        world = worlds.predictor(
            lambda s, c, a: 0.1 * a[..., 0], model=worlds.Quarrel()
        )
        candidates = torch.tensor([[[0.0, 1.0]] * T, [[1.0, 0.0]] * T])
        state, active = torch.zeros(1, 2), np.array([0])
        for weight, expected in [(0.0, [1.0, 0.0]), (1.0, [0.0, 1.0])]:
            config = ObjectiveConfig(disagreement_weight=weight)
            planner, _ = given(world, candidates, objective=config)
            plan = planner.plan(state, state, active)
            assert plan.actions[0, 0].tolist() == expected

    def test_deadly_shortcuts_are_avoided(self):
        # Straight on lies the goal behind an abyss; every second alive pays.
        world = worlds.predictor(
            lambda s, c, a: 1.0 + s[..., 0],
            term=lambda s, c, a: (s[..., 0] > 0.4) & (s[..., 1] < 0.4),
        )
        straight = torch.tensor([[1.0, 0.0]] * T)
        around = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
        planner, _ = given(world, torch.stack([straight, around]))
        plan = planner.plan(torch.zeros(1, 2), torch.zeros(1, 2), np.array([0]))
        assert torch.equal(plan.actions[0], around)

    def test_candidates_are_never_written_to_again(self, scene, monkeypatch):
        # In place, a later iteration would change what an earlier one had found.
        world, seen = worlds.predictor(), []
        rollout_latent = world.rollout_latent

        def spy(state, context, act, deterministic):
            seen.append((act, act.clone()))
            return rollout_latent(state, context, act, deterministic)

        monkeypatch.setattr(world, "rollout_latent", spy)
        planner = icem(world)
        for _ in range(2):
            planner.plan(*scene, np.arange(N))
        assert len(seen) == 2 * (3 + 1)
        for now, then in seen:
            assert torch.equal(now, then)

    def test_states_and_contexts_are_left_alone(self, scene):
        state, goal = (x.clone() for x in scene)
        icem().plan(state, goal, np.arange(N))
        assert torch.equal(state, scene[0]) and torch.equal(goal, scene[1])

    def test_values_that_are_not_finite_never_win(self, scene):
        def reward(state, context, action):
            paid = worlds.distance_reward(state, context, action)
            return torch.where(action[..., 0] > 0, torch.nan, paid)

        plan = icem(worlds.predictor(reward)).plan(*scene, np.arange(N))
        assert (plan.actions[..., 0] <= 0).all() and plan.info.value.isfinite().all()

    def test_where_nothing_is_finite_the_start_of_the_search_is_returned(self, scene):
        state, goal = scene
        state = state.clone()
        state[2] = torch.nan
        actions = icem().plan(state, goal, np.arange(N)).actions
        assert actions.isfinite().all() and not actions[2].any()
        assert actions[[0, 1, 3, 4]].any(-1).all()


class TestBudget:
    def test_iterations_stop_at_the_deadline(self, scene):
        slow_calls = []

        def slow(state, context, action):
            slow_calls.append(time.sleep(0.02))
            return worlds.distance_reward(state, context, action)

        planner = icem(worlds.predictor(slow), time_budget=0.01)
        assert planner.plan(*scene, np.arange(N)).info.n_iterations == 1
        planner = icem(worlds.predictor(slow), time_budget=60.0)
        assert planner.plan(*scene, np.arange(N)).info.n_iterations == 3

    def test_without_a_budget_there_is_no_deadline(self, scene):
        planner, optimizer = given()
        planner.plan(*scene, np.arange(N))
        assert optimizer.calls[0]["deadline"] is None
        planner, optimizer = given(time_budget=5.0)
        planner.plan(*scene, np.arange(N))
        remaining = optimizer.calls[0]["deadline"] - time.monotonic()
        assert 0 < remaining <= 5.0


class TestState:
    @pytest.mark.parametrize("through_a_file", [True, False])
    def test_continues_identically(self, scene, through_a_file, tmp_path):
        state, goal = scene
        planner = icem()
        planner.plan(state, goal, np.arange(N))
        planner.plan(state[[1, 2]], goal[[1, 2]], np.array([1, 2]))
        planner.reset(np.array([4]))
        saved = planner.state_dict()
        if through_a_file:
            save_checkpoint(tmp_path / "plan", "plan", saved)
            saved = load_checkpoint(tmp_path / "plan", "plan")
        loaded = icem(number=9)
        loaded.load_state_dict(saved)
        for active in (np.array([4, 0]), np.arange(N)):
            plans = [
                p.plan(state[active], goal[active], active) for p in (planner, loaded)
            ]
            assert_same(*(rows(plan, slice(None)) for plan in plans), rtol=0, atol=0)

    def test_before_the_first_plan(self, scene):
        planner, loaded = icem(), icem(number=3)
        loaded.load_state_dict(planner.state_dict())
        plans = [p.plan(*scene, np.arange(N)).actions for p in (planner, loaded)]
        assert torch.equal(*plans)

    def test_is_a_copy(self, scene):
        planner = icem()
        planner.plan(*scene, np.arange(N))
        saved = planner.state_dict()
        loaded = icem()
        loaded.load_state_dict(saved)
        kept = {k: v.clone() for k, v in saved.items() if isinstance(v, torch.Tensor)}
        has_plan = saved["has_plan"].copy()
        for p in (planner, loaded):
            p.plan(*scene, np.arange(N))
            p.reset(np.arange(N))
        for key, value in kept.items():
            assert torch.equal(saved[key], value)
        assert (saved["has_plan"] == has_plan).all()

    @pytest.mark.parametrize("other", [{"n_instances": 3}, {"horizon": 6}])
    def test_plans_of_another_shape_are_refused(self, other):
        with pytest.raises(CheckpointError, match="this planner's"):
            icem(**other).load_state_dict(icem().state_dict())


class TestRandomness:
    def test_comes_from_the_planners_seed(self, scene):
        one, two, other = (
            icem(number=number).plan(*scene, np.arange(N)).actions
            for number in (0, 0, 1)
        )
        assert torch.equal(one, two) and not torch.equal(one, other)

    def test_leaves_the_global_generator_alone(self, scene):
        before = torch.get_rng_state()
        icem().plan(*scene, np.arange(N))
        assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "wrong", [{"horizon": 0}, {"n_repeats": 0}, {"time_budget": 0.0}]
)
def test_impossible_numbers_are_named(wrong):
    with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))} .*must be"):
        PlannerConfig(**wrong)


def test_takes_any_optimizer(scene):
    low, high = np.full(2, -1.0), np.full(2, 1.0)
    planner = TrajectoryPlanner(worlds.predictor(), ICEM(low, high), N, seed())
    assert planner.plan(*scene, np.arange(N)).actions.shape == (N, 15, 2)


def test_kept_decisions_are_imagined_for_as_long_as_they_are_kept(scene):
    long, _ = given(candidates=worlds.directions(T).repeat_interleave(3, dim=-2))
    kept, _ = given(n_repeats=3)
    assert kept.n_repeats == 3
    plan = kept.plan(*scene, np.arange(N))
    assert plan.actions.shape == (N, 3 * T, 2)
    torch.testing.assert_close(plan.actions[:, ::3], plan.actions[:, 2::3])
    assert plan.info.predicted_states.shape == (N, 3 * T + 1, 2)
    assert plan.info.mean.shape == (N, T, 2)
    reference = TrajectoryPlanner(
        worlds.predictor(), long.optimizer, N, seed(), PlannerConfig(horizon=3 * T)
    ).plan(*scene, np.arange(N))
    torch.testing.assert_close(plan.actions, reference.actions)
    torch.testing.assert_close(plan.info.value, reference.info.value)
