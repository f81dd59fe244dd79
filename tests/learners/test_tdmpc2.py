"""What TD-MPC2 promises as a learner."""

import copy
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.learners import TDMPC2Config, TDMPC2Learner
from tests.learners.tdmpc2_cases import (
    BOX,
    FAST,
    batch,
    learner,
    rows_of,
    situation,
    spec,
    warmed,
)
from tests.levels.level_contract import shared_memory
from tests.same import assert_same, is_same
from tests.toys import random_buffer

MODES = [False, True]


# Acting


@pytest.mark.parametrize("n_condition", [0, 2])
@pytest.mark.parametrize("use_policy", MODES)
@pytest.mark.parametrize("explore", MODES)
def test_actions_are_legal(n_condition, use_policy, explore):
    made = warmed(learner(n_condition, use_policy=use_policy))
    for seed in range(5):
        action = made.act(situation(seed=seed), explore)
        assert action.shape == (4, 2) and action.dtype == torch.float32
        assert not action.requires_grad
        assert all(BOX.contains(a) for a in action.numpy())


@pytest.mark.parametrize("use_policy", MODES)
def test_evaluation_draws_nothing_and_is_deterministic(use_policy):
    made = warmed(learner(use_policy=use_policy))
    before = made.state_dict()["generator"]
    first = made.act(situation(), False)
    made.reset(np.arange(4))
    torch.testing.assert_close(made.act(situation(), False), first, rtol=0, atol=0)
    assert_same(before, made.state_dict()["generator"])


@pytest.mark.parametrize("use_policy", MODES)
def test_evaluation_does_not_depend_on_the_others_or_their_order(use_policy):
    together, apart = (warmed(learner(use_policy=use_policy)) for _ in range(2))
    for seed in range(4):
        everyone = situation(seed=seed)
        expected = together.act(everyone, False)
        for rows in ([3, 0], [2], [1]):
            action = apart.act(rows_of(everyone, rows), False)
            torch.testing.assert_close(action, expected[rows], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("use_policy", MODES)
def test_exploration_explores(use_policy):
    made = warmed(learner(use_policy=use_policy, min_std=0.1))
    actions = []
    for _ in range(50):
        made.reset(np.arange(4))
        actions.append(made.act(situation(), True))
    unit = (torch.stack(actions) - torch.tensor([0.0, 0.5])) / torch.tensor([2.0, 0.5])
    assert (unit.std(0) > 0.05).all()


def test_policy_alone_is_not_planning():
    one, other = warmed(learner(use_policy=True)), warmed(learner(use_policy=False))
    assert not torch.equal(one.act(situation(), False), other.act(situation(), False))


@pytest.mark.parametrize("explore", [True, False])
def test_policy_may_act_alone_only_while_exploring(explore):
    mixed = warmed(learner(plans_while_exploring=False))
    pure = warmed(learner(use_policy=explore))
    assert torch.equal(mixed.act(situation(), explore), pure.act(situation(), explore))


# The condition


@pytest.mark.parametrize("use_policy", MODES)
def test_condition_conditions(use_policy):
    made = warmed(learner(2, use_policy=use_policy))
    here = situation()
    obs = here.obs.clone()
    obs[:, -2:] += 1.0
    actions = []
    for asked in (here, here._replace(obs=obs)):
        made.reset(np.arange(4))
        actions.append(made.act(asked, False))
    assert (actions[0] != actions[1]).any(1).all()


def test_condition_is_not_encoded_but_reaches_every_other_network():
    made = learner(2)
    model = made._model
    assert model.encode[0].in_features == 3
    wide = 64 + 2 + 2
    assert model.dynamics[0].in_features == wide
    assert model.reward[0].in_features == wide
    assert model.termination[0].in_features == wide
    assert model.values._layers[0].weight.shape[1] == wide
    assert model.policy._net[0].in_features == 64 + 2


# Warm start


def test_a_search_starts_at_the_last_plan_moved_on_by_one():
    made = warmed(learner(n_iterations=1))
    made.act(situation(), True)
    plans = made.state_dict()["planner"]["plans"]
    assert plans.shape == (4, 3, 2)
    torch.testing.assert_close(plans[:, -1], plans[:, -2])  # the last step is repeated
    first = made.act(situation(seed=1), False)
    made.reset(np.arange(4))
    assert not torch.equal(first, made.act(situation(seed=1), False))


def test_reset_forgets_the_plans_of_these_instances_only():
    made = warmed(learner())
    made.act(situation(), True)
    before = made.state_dict()["planner"]["plans"]
    made.reset(np.array([1, 3]))
    after = made.state_dict()["planner"]["plans"]
    assert (before != 0).any()
    assert (after[[1, 3]] == 0).all()
    assert_same(after[[0, 2]], before[[0, 2]])


def test_only_instances_that_decide_move_on():
    made = warmed(learner())
    made.act(situation(), True)
    before = made.state_dict()["planner"]["plans"]
    made.act(situation(2, instances=[2, 0]), True)
    after = made.state_dict()["planner"]["plans"]
    assert_same(after[[1, 3]], before[[1, 3]])
    assert (after[[0, 2]] != before[[0, 2]]).any()


# Learning


@pytest.mark.parametrize("n_condition", [0, 2])
@pytest.mark.parametrize("episodic", [True, False])
def test_update_logs_finite_detached_scalars_and_moves_everything(
    n_condition, episodic
):
    made = learner(n_condition, episodic=episodic)
    warmed(made, 2)
    before = made.state_dict()
    metrics = made.update(batch(seed=9))
    for name, value in metrics.items():
        assert isinstance(value, torch.Tensor) and value.shape == (), name
        assert value.isfinite() and not value.requires_grad, name
    after = made.state_dict()
    for part in ("model", "target_values"):
        for name, value in after[part].items():
            assert value.isfinite().all(), name
            still = name == "discount"  # all decisions took one environment step
            assert still or not torch.equal(value, before[part][name]), name


def test_stretches_may_end_early():
    made = learner()
    lengths = torch.tensor([1, 2, 3, 1, 2, 3, 1, 1])
    short = batch(traj_len=lengths)
    garbage = batch(seed=7)
    valid = short.validity_mask.bool()
    reached = torch.arange(4) <= lengths[:, None]
    other = short._replace(
        obs=torch.where(reached[..., None], short.obs, garbage.obs),
        act=torch.where(valid[..., None], short.act, garbage.act),
        rew=torch.where(valid, short.rew, garbage.rew),
        terminated=~valid,
        n_env_steps=torch.where(valid, 1, 5),
    )
    one, two = made, learner()
    assert_same(one.update(short), two.update(other))
    assert_same(one.state_dict()["model"], two.state_dict()["model"])


def test_samples_of_a_buffer_fit():
    made = learner(2)
    assert made.n_steps == 3 and made.gamma == 0.99
    stretches = made.sample(random_buffer(n_steps=15), 16)
    assert stretches.rew.shape == (16, 3)
    assert all(x.isfinite() for x in made.update(stretches).values())


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_extreme_numbers_stay_finite(scale):
    made = learner(2)
    for seed in range(3):
        stretches = batch(seed=seed)
        stretches = stretches._replace(
            obs=scale * stretches.obs, rew=scale * stretches.rew
        )
        assert all(x.isfinite() for x in made.update(stretches).values())
    here = situation()
    action = made.act(here._replace(obs=scale * here.obs), True)
    assert action.isfinite().all()


def test_a_learner_that_has_gone_mad_still_gives_legal_actions():
    made = learner()
    for parameter in made._model.values.parameters():
        parameter.data.fill_(torch.nan)
    for explore in MODES:
        assert all(BOX.contains(a) for a in made.act(situation(), explore).numpy())


# States


def drive(made, n=3):
    decided, logged = [], []
    for seed in range(n):
        decided.append(made.act(situation(seed=seed), True))
        logged.append(made.update(batch(seed=seed)))
        decided.append(made.act(situation(seed=seed), False))
    return decided, logged


@pytest.mark.parametrize("use_policy", MODES)
def test_loading_continues_exactly(use_policy):
    made = learner(2, use_policy=use_policy)
    drive(made)
    loaded = learner(2, use_policy=use_policy, seed=9)
    loaded.load_state_dict(copy.deepcopy(made.state_dict()))
    assert_same(drive(made), drive(loaded))
    assert_same(made.state_dict(), loaded.state_dict())


def test_states_are_copies():
    made, other = learner(), learner(seed=1)
    drive(made)
    states = [made.state_dict(), made.acting_state()]
    before = copy.deepcopy(states)
    other.load_state_dict(states[0])
    other.load_acting_state(states[1])
    own = copy.deepcopy(other.state_dict())
    drive(made)
    assert_same(before, states)
    assert_same(own, other.state_dict())
    assert not shared_memory(made, other)
    assert not shared_memory(made, states) and not shared_memory(other, states)


@pytest.mark.parametrize("use_policy", MODES)
def test_acting_state_fits_any_number_of_instances_and_acts_the_same(use_policy):
    made = learner(use_policy=use_policy)
    drive(made)
    made.reset(np.arange(4))
    acting = learner(use_policy=use_policy, n_instances=7, seed=5)
    acting.load_acting_state(made.acting_state())
    assert_same(acting.acting_state(), made.acting_state())
    for seed in range(3):
        here = situation(seed=seed)
        assert_same(made.act(here, False), acting.act(here, False))


def test_the_seed_decides_everything_and_global_generators_nothing():
    runs = []
    for seed, global_seed in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        made = learner(seed=seed)
        runs.append((drive(made), made.state_dict()))
        assert_same(before, torch.get_rng_state())
    assert_same(runs[0], runs[1])
    assert not is_same(runs[0], runs[2])


# The door


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"obs_shape": {"vector": (3,), "image": (3, 8, 8)}}, "no images"),
        ({"obs_shape": (2,), "n_condition": 2}, "beside what it is asked"),
        ({"action_space": spaces.Discrete(3)}, "bounded Box"),
        ({"action_space": spaces.Box(-np.inf, np.inf, (2,))}, "bounded Box"),
    ],
)
def test_spaces_it_cannot_handle(changes, message):
    with pytest.raises(SpaceError, match=message):
        TDMPC2Config().build(replace(spec(), **changes))


@pytest.mark.parametrize(
    "wrong",
    [
        {"model_size": "huge"},
        {"gamma": 1.0},
        {"horizon": 0},
        {"learning_rate": 0.0},
        {"tau": 0.0},
        {"rho": 1.5},
        {"value_coef": -1.0},
        {"n_bins": 1},
        {"vmin": 1.0, "vmax": 1.0},
        {"vmax": 1000.0},
        {"n_policy_trajectories": -1},
        {"n_elites": 1000},
        {"temperature": 0.0},
        {"min_std": 3.0},
    ],
)
def test_numbers_that_cannot_work(wrong):
    with pytest.raises(ConfigurationError):
        TDMPC2Config(**wrong)


def test_config_is_immutable_and_builds():
    config = TDMPC2Config()
    with pytest.raises(FrozenInstanceError):
        config.gamma = 0.5  # type: ignore[misc]
    assert isinstance(config.build(spec()), TDMPC2Learner)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("tiny", 0.08e6, 0.15e6),
        ("small", 0.3e6, 0.5e6),
        ("medium", 1.0e6, 1.4e6),
        ("base", 4.5e6, 5.8e6),
    ],
)
def test_sizes(name, low, high):
    made = TDMPC2Config(model_size=name, **FAST).build(spec((17,)))
    assert low < sum(p.numel() for p in made._model.parameters()) < high
    assert made.act(situation(obs_dim=17), True).isfinite().all()


@pytest.mark.parametrize("n", [0, 5])
def test_with_and_without_the_policy_in_the_search(n):
    made = warmed(learner(n_policy_trajectories=n, n_samples=9, horizon=1))
    assert made.n_steps == 1
    assert made.act(situation(), True).isfinite().all()
