"""Tianshou's algorithms as learners: units, exploration, states, and what is refused."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.learners import (
    A2CConfig,
    DDPGConfig,
    DiscreteSACConfig,
    DQNConfig,
    PPOConfig,
    REDQConfig,
    SACConfig,
    TD3Config,
)
from layeredrl.learners.action_scaling import ActionScaling
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.schedules import LinearSchedule
from tests.learners.tianshou_cases import (
    ALL,
    BOX,
    CHOICE,
    OFF_POLICY,
    ON_POLICY,
    SMALL,
    build,
    situation,
    spec,
    spied,
    stretches,
)
from tests.same import assert_same, is_same

LOW, HIGH = torch.from_numpy(BOX.low), torch.from_numpy(BOX.high)
IN_BOX = [name for name, (_, space) in ALL.items() if space is BOX]
IN_CHOICE = [name for name, (_, space) in ALL.items() if space is CHOICE]


# Units


def test_bounds_of_the_space_are_those_of_the_unit_box():
    scaling = ActionScaling(BOX, torch.device("cpu"))
    corners = torch.stack([LOW, 0.5 * (LOW + HIGH), HIGH])
    unit = torch.tensor([-1.0, 0.0, 1.0])[:, None].expand(3, 2)
    torch.testing.assert_close(scaling.to_unit(corners), unit)
    torch.testing.assert_close(scaling.from_unit(unit), corners)


def test_scaling_stays_in_both_boxes():
    awkward = spaces.Box(np.array([-0.1, 3.0]), np.array([0.3, 3.0]), dtype=np.float64)
    scaling = ActionScaling(awkward, torch.device("cpu"))
    beyond = torch.linspace(-2.0, 2.0, 9)[:, None].expand(9, 2)
    actions = scaling.from_unit(beyond).double().numpy()
    assert all(awkward.contains(action) for action in actions)
    back = scaling.to_unit(torch.tensor([[9.0, 9.0], [-9.0, 3.0]]))
    assert back.tolist() == [[1.0, 1.0], [-1.0, 0.0]]


@pytest.mark.parametrize("name", IN_BOX)
def test_continuous_actions_are_said_in_their_units_and_learned_in_the_unit_box(name):
    learner = build(name)
    here = situation(200)
    action = learner.act(here, explore=True)
    assert action.dtype == torch.float32 and not action.requires_grad
    assert bool(((action >= LOW) & (action <= HIGH)).all())
    assert bool((action.amax(0) - action.amin(0) > 0.05 * (HIGH - LOW)).all())
    best = learner.act(here, explore=False)
    said = learner._policy_action(here.obs, explore=False)
    torch.testing.assert_close(best, LOW + 0.5 * (HIGH - LOW) * (said + 1.0))
    seen = spied(learner)
    batch = stretches(n=200, n_steps=1, act=best[:, None])
    learner.update(batch)
    torch.testing.assert_close(seen[0]["act"], said, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", IN_CHOICE)
def test_discrete_actions_are_one_hot_and_learned_by_number(name):
    learner = build(name)
    action = learner.act(situation(50), explore=True)
    assert action.dtype == torch.float32 and action.shape == (50, 3)
    assert action.sum(-1).eq(1.0).all() and action.max(-1).values.eq(1.0).all()
    seen = spied(learner)
    batch = stretches(CHOICE, n=20, n_steps=1)
    learner.update(batch)
    assert seen[0]["act"].tolist() == batch.act[:, 0].argmax(-1).tolist()
    assert len(set(seen[0]["act"].tolist())) == 3


def test_what_is_seen_may_come_with_a_name():
    learner = SACConfig(**SMALL).build(spec(obs_shape={"vector": (4,)}))
    here = situation()
    named = here._replace(obs={"vector": here.obs})
    assert_same(learner.act(here, False), learner.act(named, False))


# Exploration


@pytest.mark.parametrize("name", ALL)
def test_exploring_draws_and_evaluation_does_not(name):
    learner = build(name)
    here = situation(30)
    before = copy.deepcopy(learner.state_dict())
    assert_same(learner.act(here, explore=False), learner.act(here, explore=False))
    assert_same(before, learner.state_dict())
    first, second = (learner.act(here, explore=True) for _ in range(2))
    assert not is_same(first, second)
    assert learner.n_decisions == 60
    assert not is_same(before["generators"], learner.state_dict()["generators"])


@pytest.mark.parametrize("name", ALL)
def test_global_generators_are_left_alone(name):
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    learner = build(name)
    learner.act(situation(), explore=True)
    learner.update(stretches(ALL[name][1]))
    assert_same(before, (torch.get_rng_state(), np.random.get_state()[1]))


@pytest.mark.parametrize("name", ["td3", "ddpg"])
def test_exploration_noise_is_in_half_ranges_and_follows_its_schedule(name):
    fading = LinearSchedule(0.02, 0.0, duration=4000)
    config = replace(ALL[name][0], exploration_noise=fading)
    learner = config.build(spec())
    here = situation(2000)
    best = learner.act(here, explore=False)
    noise = learner.act(here, explore=True) - best
    torch.testing.assert_close(noise.std(0), 0.02 * (HIGH - LOW) / 2, rtol=0.1, atol=0)
    later = learner.act(here, explore=True) - best
    torch.testing.assert_close(later.std(0), 0.01 * (HIGH - LOW) / 2, rtol=0.1, atol=0)
    assert_same(learner.act(here, explore=True), best)


def test_epsilon_is_the_share_of_random_choices_and_follows_its_schedule():
    fading = LinearSchedule(0.9, 0.0, duration=6000)
    learner = DQNConfig(**SMALL, epsilon=fading).build(spec(CHOICE))
    here = situation(3000)
    best = learner.act(here, explore=False).argmax(-1)
    for epsilon in (0.9, 0.45, 0.0):
        choice = learner.act(here, explore=True).argmax(-1)
        others = (choice != best).float().mean()  # a random one may be the best
        assert float(others) == pytest.approx(epsilon * 2 / 3, abs=0.04)
    random = [LinearSchedule(1.0, 1.0, duration=1)]
    learner = DQNConfig(**SMALL, epsilon=random[0]).build(spec(CHOICE))
    shares = learner.act(here, explore=True).mean(0)
    assert shares.tolist() == pytest.approx([1 / 3] * 3, abs=0.04)


def test_an_acting_copy_takes_over_the_schedule():
    fading = LinearSchedule(0.5, 0.0, duration=10)
    learner, other = (
        TD3Config(**SMALL, exploration_noise=fading).build(spec(seed=seed))
        for seed in (0, 1)
    )
    learner.act(situation(10), explore=True)
    other.load_acting_state(learner.acting_state())
    here = situation(5, seed=3)
    assert_same(other.act(here, explore=True), learner.act(here, explore=False))


# States


@pytest.mark.parametrize("name", ALL)
def test_after_loading_learning_goes_on_exactly(name, tmp_path):
    space = ALL[name][1]
    learner, loaded = build(name), build(name, seed=1)
    for i in range(4):  # delayed actors and targets are between two of their updates
        learner.act(situation(), explore=True)
        learner.update(stretches(space, seed=i))
    save_checkpoint(tmp_path / "learner", "learner", learner.state_dict())
    loaded.load_state_dict(load_checkpoint(tmp_path / "learner", "learner"))
    for i in range(4):
        told = [x.update(stretches(space, seed=9 + i)) for x in (learner, loaded)]
        assert_same(*told)
        assert_same(*(x.act(situation(), explore=True) for x in (learner, loaded)))
    assert_same(learner.state_dict(), loaded.state_dict())


@pytest.mark.parametrize("name", OFF_POLICY)
def test_every_counter_and_optimizer_is_in_the_state(name):
    """Whatever plain number an update changes has to be saved."""
    learner = build(name)
    state = learner.state_dict()

    def numbers():
        plain = vars(learner.algorithm).items()
        return {key: value for key, value in plain if type(value) in (int, float)}

    before = numbers()
    for _ in range(4):
        learner.update(stretches(OFF_POLICY[name][1]))
    after = numbers()
    assert {key for key in after if before[key] != after[key]} <= set(state["counters"])
    learner.load_state_dict(state)
    assert numbers() == before
    alpha = getattr(learner.algorithm, "alpha", None)
    assert (state["alpha_optimizer"] is not None) == (alpha is not None)


def test_the_learned_entropy_weight_approaches_its_target():
    greedy = replace(OFF_POLICY["sac"][0], target_entropy=-50.0)
    eager = replace(OFF_POLICY["sac"][0], target_entropy=50.0)
    found = []
    for config in (greedy, eager):
        learner = config.build(spec())
        for _ in range(3):
            metrics = learner.update(stretches())
        found.append(float(metrics["alpha"]))
    assert found[0] < 1.0 < found[1]


@pytest.mark.parametrize("name", ALL)
def test_updates_change_weights_and_report_finite_numbers(name):
    learner = build(name)
    before = learner.acting_state()["policy"]
    for i in range(3):
        metrics = learner.update(stretches(ALL[name][1], seed=i))
    assert any("loss" in key for key in metrics)
    assert all(x.ndim == 0 and bool(x.isfinite()) for x in metrics.values())
    after = learner.acting_state()["policy"]
    assert all(bool((before[key] != after[key]).any()) for key in before)
    assert learner.is_on_policy == (name in ON_POLICY)


# What is refused

SEES_IMAGES = {"vector": (4,), "camera": (8, 8, 3)}
UNBOUNDED = spaces.Box(-np.inf, np.inf, (2,), np.float32)
CONTINUOUS_ONLY = [SACConfig, TD3Config, DDPGConfig, REDQConfig]
DISCRETE_ONLY = [DQNConfig, DiscreteSACConfig]


@pytest.mark.parametrize(
    "config, space",
    [(config, CHOICE) for config in CONTINUOUS_ONLY]
    + [(config, BOX) for config in DISCRETE_ONLY]
    + [
        (config, UNBOUNDED)
        for config in (*CONTINUOUS_ONLY, *DISCRETE_ONLY, PPOConfig, A2CConfig)
    ]
    + [(config, spaces.MultiDiscrete([2, 3])) for config in (SACConfig, PPOConfig)],
)
def test_spaces_in_which_it_cannot_act_are_refused_by_name(config, space):
    with pytest.raises(SpaceError) as error:
        config().build(spec(space))
    assert config.__name__ in str(error.value) and str(space) in str(error.value)


@pytest.mark.parametrize(
    "config", [*CONTINUOUS_ONLY, *DISCRETE_ONLY, PPOConfig, A2CConfig]
)
def test_images_are_refused_by_name(config):
    space = CHOICE if config in DISCRETE_ONLY else BOX
    with pytest.raises(SpaceError, match="camera"):
        config().build(spec(space, obs_shape=SEES_IMAGES))


@pytest.mark.parametrize(
    "config, wrong",
    [
        (SACConfig, {"gamma": 1.5}),
        (SACConfig, {"gamma": float("nan")}),
        (PPOConfig, {"gamma": -0.5}),
        (DQNConfig, {"lr": 0.0}),
        (SACConfig, {"tau": 1.5}),
        (TD3Config, {"n_steps": 0}),
        (DQNConfig, {"n_steps": 0}),
        (DQNConfig, {"target_update_interval": 0}),
        (DQNConfig, {"epsilon": 1.5}),
        (DDPGConfig, {"exploration_noise": -0.5}),
        (TD3Config, {"exploration_noise": float("inf")}),
        (TD3Config, {"target_noise": -0.5}),
        (TD3Config, {"target_noise_clip": -0.5}),
        (TD3Config, {"actor_delay": 0}),
        (REDQConfig, {"actor_delay": 0}),
        (REDQConfig, {"n_target_critics": 11}),
        (REDQConfig, {"n_critics": 1}),
        (DiscreteSACConfig, {"target_entropy_share": 1.5}),
        (A2CConfig, {"gae_lambda": 1.5}),
        (A2CConfig, {"n_epochs": 0}),
        (A2CConfig, {"minibatch_size": -1}),
        (A2CConfig, {"minibatch_size": 0}),
        (PPOConfig, {"clip_range": 0.0}),
        (PPOConfig, {"minibatch_size": 1}),
    ],
)
def test_numbers_that_cannot_work_are_refused(config, wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(ConfigurationError) as error:
        config(**wrong)
    assert name in str(error.value) and str(value) in str(error.value)
