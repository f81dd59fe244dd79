"""Plans are followed, and given up when outcomes are not what was predicted."""

from functools import partial

import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import CheckpointError, ConfigurationError
from layeredrl.levels import Exploration, Surprise
from layeredrl.levels.surprise import RunningSurprise
from layeredrl.planners import PlannerConfig
from tests.levels.building import build
from tests.toy_levels import NO_EXPLORATION, QUICK_CEM, planner_level

BOX = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 4], np.float32))
N = 3
ALL = np.arange(N)
NOTHING = np.zeros((N, 3), np.float32)


def follower(surprise=None, random_duration=0, exploration=NO_EXPLORATION, **config):
    planner = partial(QUICK_CEM, config=PlannerConfig(**config))
    if surprise is not None:
        surprise = Surprise(surprise, random_duration)
    recipe = planner_level(
        partial_planner=planner, exploration=exploration, surprise=surprise
    )
    return build(recipe, BOX)


def searches(level, observations):
    """At which decisions each instance's plan was a new one."""
    found = []
    for obs in observations:
        level.last_plan = None
        level.get_action(obs, None, ALL)
        plan = level.last_plan
        found.append([] if plan is None else plan[1].tolist())
    return found


def test_a_plan_is_followed_for_as_long_as_its_planner_says():
    level = follower(horizon=5, n_followed=3)
    first = level.get_action(NOTHING, None, ALL)
    plan, _ = level.last_plan
    rest = [level.get_action(NOTHING, None, ALL) for _ in range(2)]
    assert level.last_plan[0] is plan
    followed = np.stack([first, *rest], axis=1)
    np.testing.assert_array_equal(followed, plan.actions[:, :3])
    level.get_action(NOTHING, None, ALL)
    assert level.last_plan[0] is not plan


def test_followed_plans_may_repeat_their_decisions():
    level = follower(horizon=4, n_followed=2, n_repeats=2)
    actions = [level.get_action(NOTHING, None, ALL) for _ in range(4)]
    plan, _ = level.last_plan
    np.testing.assert_array_equal(np.stack(actions, axis=1), plan.actions[:, :4])
    assert (actions[1] == actions[0]).all() and (actions[2] != actions[1]).any()


def test_the_next_search_starts_where_the_plan_was_left():
    level = follower(horizon=5, n_followed=3)
    level.get_action(NOTHING, None, ALL)
    plan, _ = level.last_plan
    start = level.planner.state_dict()["mean"]
    torch.testing.assert_close(start[:, :2], plan.info.mean[:, 3:])
    for step in (2, 3, 4):
        torch.testing.assert_close(start[:, step], plan.info.mean[:, -1])


def test_a_surprise_ends_the_plan_of_those_surprised():
    """One instance is thrown far from where any model of these data would expect it."""
    thrown = NOTHING.copy()
    thrown[1] = 1e6
    observations = [NOTHING, thrown, thrown, thrown]
    calm = searches(follower(horizon=5, n_followed=4), observations)
    assert calm == [[0, 1, 2], [], [], []]
    alert = searches(follower(100.0, horizon=5, n_followed=4), observations)
    assert alert[:2] == [[0, 1, 2], [1]]


def test_a_surprise_forgets_the_start_of_the_next_search():
    level = follower(1e-6, horizon=5)
    seen = []
    forget = level.planner.reset
    level.planner.reset = lambda rows: (seen.append(rows.tolist()), forget(rows))
    level.get_action(NOTHING, None, ALL)
    assert seen == [[]]
    level.get_action(NOTHING + 1, None, ALL)
    assert seen == [[], [0, 1, 2]]


def test_nothing_surprises_at_the_start_of_an_episode():
    level = follower(1e-6, horizon=5, n_followed=5)
    level.get_action(NOTHING, None, ALL)
    level.reset(np.array([0, 2]))
    found = searches(level, [NOTHING + 1])
    assert found == [[0, 1, 2]]  # two begin, one is surprised
    assert level._surprise.state_dict()["expects"].all()


@pytest.mark.parametrize("in_training", [True, False])
def test_random_decisions_lead_away_from_a_surprise(in_training):
    """One instance is thrown; it decides at random twice, unless it starts anew."""
    thrown = NOTHING.copy()
    thrown[1] = 1e6
    level = follower(100.0, random_duration=2, horizon=5)
    (level.train if in_training else level.eval)()
    seen = []
    for obs in (NOTHING, thrown, thrown, NOTHING):
        level.get_action(obs, None, ALL)
        seen.append(level.last_decision.is_random.tolist())
    calm, random = [False] * 3, [False, True, False]
    assert seen[:3] == [calm, random, random]
    assert seen[3] == random  # thrown back, which surprises again
    level.reset(ALL)
    level.get_action(NOTHING, None, ALL)
    assert not level.last_decision.is_random.any()


@pytest.mark.parametrize("in_training", [True, False])
def test_random_decisions_after_a_surprise_are_held_as_others(in_training):
    exploration = Exploration(warm_up_env_steps=0, hold=3)
    level = follower(1e-6, random_duration=3, horizon=5, exploration=exploration)
    (level.train if in_training else level.eval)()
    level.get_action(NOTHING, None, ALL)
    for start in (1.0, 4.0):  # every outcome surprises, so phases follow each other
        drawn = [level.get_action(NOTHING + start + i, None, ALL) for i in range(3)]
        assert level.last_decision.is_random.all()
        assert (drawn[0] == drawn[1]).all() and (drawn[1] == drawn[2]).all()


def test_a_random_decision_after_a_surprise_is_drawn_from_the_action_space():
    level = follower(1e-6, random_duration=1, horizon=5)
    level.eval()
    level.get_action(NOTHING, None, ALL)
    drawn = [level.get_action(NOTHING + i, None, ALL) for i in range(1, 40)]
    actions = np.concatenate(drawn)
    assert level.last_decision.is_random.all()
    assert BOX.contains(actions.min(0)) and BOX.contains(actions.max(0))
    assert (np.ptp(actions, axis=0) > 0.8 * (BOX.high - BOX.low)).all()


def test_a_restored_level_is_surprised_alike():
    observations = [np.full((N, 3), 0.1 * i, np.float32) for i in range(6)]
    level = follower(2.0, 2, horizon=5, n_followed=3)
    searches(level, observations[:2])
    twin = follower(2.0, 2, horizon=5, n_followed=3)
    twin.load_state_dict(level.state_dict())
    assert searches(level, observations[2:]) == searches(twin, observations[2:])


@pytest.mark.parametrize("saved, own", [(None, 2.0), (2.0, None)])
def test_a_level_saved_without_surprise_does_not_fit_one_with_it(saved, own):
    state = follower(saved, horizon=5).state_dict()
    with pytest.raises(CheckpointError, match="one of the saved level and this one"):
        follower(own, horizon=5).load_state_dict(state)


@torch.no_grad()
def test_the_distance_is_in_predicted_deviations():
    """Members and modes count as one mixture, by its mean and standard deviation."""
    level = follower(1.0, horizon=2)
    predictor = level.predictor
    state, context = predictor.encoder(torch.zeros(N, 3))
    action = torch.zeros(N, 2)
    told = predictor.model.predict(state, context, action)
    noise = torch.Generator().manual_seed(0)
    draws = [
        torch.normal(
            told.mean[0, m, n].expand(4000, -1), told.std[0, m, n], generator=noise
        )
        for m in range(told.mean.shape[1])
        for n in range(told.mean.shape[2])
        for _ in range(round(20 * float(told.weights[0, m, n])))
    ]
    pooled = torch.cat(draws)
    mean, std = pooled.mean(0), pooled.std(0)
    for times, expected in ((0.5, False), (2.0, True)):
        surprise = RunningSurprise(Surprise(1.0), predictor, N)
        surprise.expect(state, context, action, ALL)
        reached = (mean + times * std).expand(N, -1)
        assert surprise.surprised(reached, ALL).tolist() == [expected] * N


@pytest.mark.parametrize("options", [(0.0,), (-1.0,), (np.nan,), (1.0, -1)])
def test_numbers_that_cannot_work_are_named(options):
    with pytest.raises(ConfigurationError, match="threshold must be positive"):
        Surprise(*options)


@pytest.mark.parametrize("n_followed", [0, 6])
def test_plans_are_followed_to_their_end_at_most(n_followed):
    with pytest.raises(ConfigurationError, match="n_followed must be in 1 .. horizon"):
        PlannerConfig(horizon=5, n_followed=n_followed)
