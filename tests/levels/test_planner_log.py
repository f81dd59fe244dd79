import numpy as np
import torch

from layeredrl.levels.planner_log import PlannerLog
from layeredrl.models import EnsembleConfig, ProbabilisticEnsemble
from layeredrl.types import Plan, PlanInfo
from tests.toys import ACTIONS, unbounded

HORIZON = 3


def plan(rewards, disagreement=0.0):
    """Plans that expect the same reward at each of three steps."""
    n = len(rewards)
    each = torch.tensor(rewards)[:, None].expand(n, HORIZON)
    unused = torch.zeros(n)
    spread = torch.full((n, HORIZON + 1), disagreement)
    spread[:, 0] = 0.0  # the present is known
    states = torch.zeros(n, HORIZON + 1, 2)
    info = PlanInfo(unused, unused, unused, unused, states, each, spread, unused)
    return Plan(torch.zeros(n, HORIZON, 2), info)


def model(n_modes):
    torch.manual_seed(0)
    config = EnsembleConfig(n_models=2, n_modes=n_modes)
    return ProbabilisticEnsemble(unbounded(2), unbounded(0), ACTIONS, config=config)


def numbers(log):
    return log.take(model(1), is_discrete=False).numbers


EVERY = np.arange(2)


def test_a_plan_is_held_against_the_decisions_it_looked_ahead_to():
    log = PlannerLog(2)
    for step in range(HORIZON):
        log.note_plan(plan([1.0 + step, 2.0]), EVERY)  # later plans are not waited for
        assert "plan/achieved_return" not in numbers(log)
        log.note_reward(np.array([0.5, step]), EVERY)
    found = numbers(log)
    assert found["plan/predicted_return"] == (3 * 1.0 + 3 * 2.0) / 2
    assert found["plan/achieved_return"] == (1.5 + 0.0 + 1.0 + 2.0) / 2
    assert numbers(log) == {}


def test_the_next_plan_is_followed_up_when_one_has_ended():
    log = PlannerLog(1)
    one = np.arange(1)
    for step in range(2 * HORIZON):
        log.note_plan(plan([float(step)]), one)
        log.note_reward(np.ones(1), one)
    assert numbers(log)["plan/predicted_return"] == 3 * (0 + 3) / 2


def test_what_was_cut_short_is_left_out():
    log = PlannerLog(2)
    log.note_plan(plan([1.0, 2.0]), EVERY)
    log.note_reward(np.ones(2), EVERY)
    log.drop(np.array([0]))
    for _ in range(HORIZON - 1):
        log.note_reward(np.ones(2), EVERY)
    found = numbers(log)
    assert (found["plan/predicted_return"], found["plan/achieved_return"]) == (6.0, 3.0)


def test_members_disagree_over_what_is_ahead():
    log = PlannerLog(2)
    log.note_plan(plan([0.0, 0.0], disagreement=0.5), EVERY)
    log.note_plan(plan([0.0], disagreement=2.0), EVERY[:1])
    assert np.isclose(numbers(log)["plan/disagreement"], (0.5 + 0.5 + 2.0) / 3)


def test_decisions_are_gathered_by_feature_or_choice():
    log = PlannerLog(2)
    state, context = torch.zeros(2, 2), torch.zeros(2, 0)
    for step in range(3):
        action = np.array([[step, 0.0], [0.0, 1.0]], np.float32)
        log.note_decision(state, context, action)
    samples = log.take(model(1), is_discrete=False).samples
    assert samples["decision/feature_0"].tolist() == [0, 0, 1, 0, 2, 0]
    assert samples["decision/feature_1"].tolist() == [0, 1] * 3
    assert log.take(model(1), is_discrete=False).samples == {}
    log.note_decision(state, context, np.eye(2, dtype=np.float32))
    samples = log.take(model(3), is_discrete=True).samples
    assert samples["decision/choice"].tolist() == [0, 1]
    weights = samples["model/mixture_weights"]
    assert weights.shape == (2 * 2 * 3,) and np.isclose(weights.sum(), 2 * 2)


def test_numbers_go_on_after_loading():
    whole, first, second = (PlannerLog(2) for _ in range(3))
    for log in (whole, first):
        log.note_plan(plan([1.0, 2.0], disagreement=0.1), EVERY)
        log.note_reward(np.ones(2), EVERY)
    second.load_state_dict(first.state_dict())
    for log in (whole, second):
        log.note_reward(np.ones(2), EVERY)
        log.note_reward(np.ones(2), EVERY)
    assert numbers(second) == numbers(whole) != {}
