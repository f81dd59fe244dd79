from functools import partial

import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.levels import Exploration, LearningSchedule, PlannerLevel
from layeredrl.nets import IdentityEncoder
from layeredrl.planners import PlannerConfig
from layeredrl.predictors import Hindsight, StaticPredictor
from layeredrl.utils.schedules import PiecewiseSchedule
from tests.levels.building import build, transition
from tests.same import assert_same, is_same
from tests.toy_levels import (
    NO_EXPLORATION,
    QUICK_CEM,
    SMALL_PREDICTOR,
    Diary,
    Looks,
    planner_level,
    predictor_with,
    steady_level,
)

BOX = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 4], np.float32))
N = 3
ALL = np.arange(N)
NOTHING = np.zeros((N, 3), np.float32)


def live(level, n_steps, rng=None, instances=ALL, **fields):
    """Decide and be told about it; returns all decisions."""
    rng = rng or np.random.default_rng(0)
    n, actions = len(instances), []
    for _ in range(n_steps):
        obs, next_obs = rng.normal(size=(2, n, 3)).astype(np.float32)
        action = level.get_action(obs, None, instances)
        told = {"reward": rng.normal(size=n), **fields}
        level.process_transition(
            transition(instances, obs=obs, next_obs=next_obs, action=action, **told)
        )
        actions.append(action)
    return np.stack(actions)


# What is stored


@pytest.mark.parametrize("use_mean, stored", [(True, [2.0, 0.5]), (False, [6.0, 1.0])])
def test_stores_the_mean_reward_per_step_or_the_sum(use_mean, stored):
    level = build(steady_level(use_mean_reward=use_mean), BOX)
    rows = np.array([2, 0])
    level.get_action(NOTHING[:2], None, rows)
    level.process_transition(transition(rows, reward=[6.0, 1.0], n_env_steps=[3, 2]))
    positions = level.buffer.last_index[rows]
    np.testing.assert_array_equal(level.buffer.rew[positions], stored)
    np.testing.assert_array_equal(level.buffer.info.n_env_steps[positions], [3, 2])


def test_only_sums_are_discounted_within_a_decision():
    factory = predictor_with(SMALL_PREDICTOR.partial_encoder, gamma=0.9)
    levels = [
        build(steady_level(predictor_factory=factory, use_mean_reward=mean), BOX)
        for mean in (True, False)
    ]
    assert [level.reward_gamma for level in levels] == [1.0, 0.9]


def test_marks_random_decisions():
    level = build(planner_level(exploration=Exploration(warm_up_env_steps=6)), BOX)
    live(level, 4)
    random_mode = level.buffer.info.random_mode
    where = level.buffer.sample_indices(0)
    assert random_mode[where].reshape(N, 4).tolist() == [[True, True, False, False]] * N


def test_marks_random_decisions_of_the_right_instances():
    exploration = Exploration(0, random_probability=0.5)
    level = build(steady_level(exploration=exploration), BOX)
    rng, expected = np.random.default_rng(0), [[] for _ in ALL]
    for _ in range(20):
        rows = rng.permutation(N)[:2]
        live(level, 1, rng, rows)
        for i in rows:
            expected[i].append(level.state_dict()["was_random"][i])
    for ring, marks in zip(level.buffer.buffers, expected, strict=True):
        stored = ring[ring.sample_indices(0)]
        assert stored.info.random_mode.tolist() == marks
        assert 0 < sum(marks) < len(marks)


def test_counts_the_environment_steps_of_its_decisions():
    level = build(steady_level(), BOX)
    live(level, 2, n_env_steps=[1, 2, 3])
    assert level.n_env_steps == 12


def test_keeps_images_in_their_own_type():
    shape = {"vector": (2,), "camera": (4, 4, 3)}
    level = build(
        steady_level(predictor_factory=predictor_with(Looks)), BOX, obs_shape=shape
    )
    rng = np.random.default_rng(0)

    def see(n):
        return {
            "vector": rng.normal(size=(n, 2)).astype(np.float32),
            "camera": rng.integers(0, 256, (n, 4, 4, 3)).astype(np.uint8),
        }

    obs, next_obs = see(N), see(N)
    action = level.get_action(obs, None, ALL)
    level.process_transition(transition(ALL, obs=obs, next_obs=next_obs, action=action))
    where = level.buffer.last_index
    assert level.buffer.obs["camera"].dtype == np.uint8
    stored = level.buffer[where]
    for found, seen in ((stored.obs, obs), (stored.obs_next, next_obs)):
        for key in seen:
            np.testing.assert_array_equal(found[key], seen[key])
    assert level.learn(1000)["n_updates"] == 100


def test_evaluation_leaves_a_gap_that_sampling_does_not_cross():
    level = build(steady_level(), BOX)
    live(level, 2)
    level.eval()
    live(level, 2, instances=np.array([1]))
    level.train()
    live(level, 2)
    assert level.buffer.truncated.sum() == 1
    assert level.buffer.truncated[level.buffer.last_index[1] - 2]


def test_episodes_broken_off_from_outside_end_in_the_buffer():
    level = build(steady_level(), BOX)
    live(level, 2)
    level.reset(np.array([0]))
    assert not level.buffer.truncated.any()  # nothing follows yet
    live(level, 1)
    assert (
        level.buffer.truncated[level.buffer.last_index - 1].tolist()
        == [True] + [False] * 2
    )


# How it explores


def test_warm_up_counts_environment_steps_of_all_instances():
    recipe = planner_level(exploration=Exploration(warm_up_env_steps=10))
    level = build(recipe, BOX)
    for expected in ([True] * N, [True] * N, [False] * N):
        action = level.get_action(NOTHING, None, ALL)
        is_random = level.state_dict()["was_random"]
        assert is_random.tolist() == expected
        level.process_transition(transition(ALL, action=action, n_env_steps=[2] * N))


def test_random_and_planned_decisions_go_to_the_right_instances():
    recipe = steady_level(exploration=Exploration(0, random_probability=0.5))
    level, reference = build(recipe, BOX), build(steady_level(), BOX)
    rng = np.random.default_rng(1)
    mixed = 0
    for _ in range(10):
        obs = rng.normal(size=(N, 3)).astype(np.float32)
        action = level.get_action(obs, None, ALL)
        random = level.state_dict()["was_random"]
        reference.reset(ALL)
        level.planner.reset(ALL)
        planned = reference.get_action(obs, None, ALL)
        np.testing.assert_array_equal(action[~random], planned[~random])
        assert (action[random] != planned[random]).any(-1).all()
        mixed += 0 < random.sum() < N
    assert mixed > 3


def test_noise_is_in_half_ranges_and_stays_within_bounds():
    recipe = steady_level(exploration=Exploration(0, noise_std=0.1))
    many = {"n_instances": 900}
    noisy, clean = build(recipe, BOX, **many), build(steady_level(), BOX, **many)
    obs, rows = np.full((900, 3), 0.1, np.float32), np.arange(900)
    noise = noisy.get_action(obs, None, rows) - clean.get_action(obs, None, rows)
    np.testing.assert_allclose(noise.std(0), [0.1 * 1, 0.1 * 2], rtol=0.1)
    assert abs(noise.mean(0)).max() < 0.03
    loud = build(steady_level(exploration=Exploration(0, noise_std=9.0)), BOX, **many)
    action = loud.get_action(obs, None, rows)
    assert (action >= BOX.low).all() and (action <= BOX.high).all()
    assert (action == BOX.low).any() and (action == BOX.high).any()


def test_evaluation_explores_not_at_all():
    exploration = Exploration(warm_up_env_steps=1000, noise_std=0.5)
    level = build(steady_level(exploration=exploration), BOX)
    level.eval()
    np.testing.assert_array_equal(live(level, 3), live(build(steady_level(), BOX), 3))


def test_an_episodes_end_ends_the_random_phase_of_these_instances_only():
    fading = PiecewiseSchedule(((2, 1.0), (3, 0.0)))
    exploration = Exploration(0, random_probability=fading, random_duration=99)
    level = build(steady_level(exploration=exploration), BOX)
    live(level, 1)
    assert level.state_dict()["was_random"].all()
    level.reset(np.array([2, 0]))
    live(level, 1)
    assert level.state_dict()["was_random"].tolist() == [False, True, False]


def test_a_plan_that_was_not_followed_is_forgotten():
    exploration = Exploration(0, random_probability=0.5)
    level = build(planner_level(exploration=exploration), BOX)
    seen = set()
    for _ in range(20):
        level.get_action(NOTHING, None, ALL)
        random = level.state_dict()["was_random"]
        has_plan = level.planner.state_dict()["has_plan"]
        np.testing.assert_array_equal(has_plan, ~random)
        seen |= set(random.tolist())
    assert seen == {True, False}


def test_an_episodes_end_forgets_the_plans_of_these_instances_only():
    level = build(planner_level(exploration=NO_EXPLORATION), BOX)
    level.get_action(NOTHING, None, ALL)
    level.reset(np.array([2, 0]))
    assert level.planner.state_dict()["has_plan"].tolist() == [False, True, False]


def test_keeps_planned_decisions_as_long_as_its_planner_says():
    planner = partial(QUICK_CEM, config=PlannerConfig(horizon=3, n_repeats=3))
    level = build(steady_level(partial_planner=planner), BOX)
    first = live(level, 2, instances=np.array([1]))
    decisions = live(level, 4)
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(decisions[0, 1], first[0, 0])
    assert (decisions[1, 1] != decisions[0, 1]).any()
    np.testing.assert_array_equal(decisions[0, [0, 2]], decisions[2, [0, 2]])
    assert (decisions[3, [0, 2]] != decisions[2, [0, 2]]).any()
    level.reset(np.array([2]))
    fresh = live(level, 1)
    assert (fresh[0, 2] != decisions[3, 2]).any()
    np.testing.assert_array_equal(fresh[0, 0], decisions[3, 0])


def test_plans_with_another_planner_in_evaluation():
    horizons = [PlannerConfig(horizon=horizon) for horizon in (2, 5)]
    one, other = (partial(QUICK_CEM, config=config) for config in horizons)
    recipe = steady_level(partial_planner=one, partial_eval_planner=other)
    level = build(recipe, BOX)
    lengths = []
    for _ in range(2):
        level.get_action(NOTHING, None, ALL)
        lengths.append(level.last_plan[0].actions.shape[1])
        level.eval()
    assert lengths == [2, 5]
    twin = build(recipe, BOX)
    twin.load_state_dict(level.state_dict())
    twin.eval()
    np.testing.assert_array_equal(live(level, 2), live(twin, 2))


def test_shows_its_last_plan():
    level = build(planner_level(exploration=NO_EXPLORATION), BOX)
    rows = np.array([2, 1])
    assert level.last_plan is None
    action = level.get_action(NOTHING[:2], None, rows)
    plan, instances = level.last_plan
    np.testing.assert_array_equal(instances, rows)
    np.testing.assert_array_equal(plan.actions[:, 0], action)


# How it learns


def test_learns_as_the_schedule_says():
    schedule = LearningSchedule(10, 20, 0.5, batch_size=4, model_batch_size=4)
    level = build(steady_level(learning=schedule), BOX)
    assert level.learn(100) == {}  # nothing to learn from: it waits
    live(level, 4)
    learned = {n: level.learn(n).get("n_updates") for n in (5, 15, 20, 39, 40)}
    assert learned == {5: None, 15: None, 20: 10.0, 39: None, 40: 20.0}


def test_learning_waits_for_the_first_decision_and_is_made_up_for_then():
    level = build(steady_level(), BOX)
    assert level.learn(1000) == {} and level.n_updates == 0
    live(level, 1)
    assert level.learn(1000)["n_updates"] == 100


def test_learning_reports_plain_numbers_and_changes_the_weights():
    level = build(steady_level(), BOX)
    live(level, 10)
    before = level.acting_state()["predictor"]
    metrics = level.learn(100)
    assert all(type(value) is float for value in metrics.values())
    assert {"predictor/loss", "predictor/rew_loss", "n_updates"} <= set(metrics)
    after = level.acting_state()["predictor"]
    changed = {key.split(".")[0] for key in after if (before[key] != after[key]).any()}
    assert {"model", "rew_func"} <= changed
    assert not level.predictor.training


def test_a_predictor_that_is_given_stays_as_it_is():
    arguments = SMALL_PREDICTOR.constructor_arguments()
    arguments["partial_predictor"] = partial(StaticPredictor)
    static = type(SMALL_PREDICTOR)(**arguments)
    level = build(steady_level(predictor_factory=static), BOX)
    live(level, 10)
    before = level.acting_state()["predictor"]
    assert level.learn(1000) == {"n_updates": 100.0}
    after = level.acting_state()["predictor"]
    assert all((before[key] == after[key]).all() for key in before)


class Forgetful(IdentityEncoder):
    """Loses features at random, in training only."""

    def forward(self, obs):
        state, context = super().forward(obs)
        return torch.nn.functional.dropout(state, 0.5, self.training), context


def test_dropout_follows_the_seed_whatever_the_global_generator():
    states = []
    for seed, global_seed in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        level = build(
            steady_level(predictor_factory=predictor_with(Forgetful)), BOX, seed=seed
        )
        live(level, 10)
        assert level.learn(100)["n_updates"] > 1
        assert torch.equal(before, torch.get_rng_state())
        states.append(level.state_dict())
    assert_same(states[0], states[1])
    assert not is_same(states[0], states[2])


def test_what_dropout_draws_goes_on_after_loading():
    factory = predictor_with(Forgetful)
    whole, resumed = (build(steady_level(predictor_factory=factory), BOX) for _ in "ab")
    live(whole, 10)
    whole.learn(60)
    resumed.load_state_dict(whole.state_dict())
    resumed.load_buffer_state(whole.buffer_state())
    for level in (whole, resumed):
        level.learn(100)
    assert_same(whole.state_dict(), resumed.state_dict())


@pytest.mark.parametrize("use_mean_reward, unit", [(True, "mean"), (False, "sum")])
def test_hindsight_pays_in_the_unit_that_is_stored(use_mean_reward, unit):
    other = {"mean": "sum", "sum": "mean"}[unit]
    for given, expected in ((unit, unit), (other, unit), ("last", "last")):
        hindsight = Hindsight(max, (0,), (1,), decision_reward=given)
        factory = predictor_with(IdentityEncoder, hindsight=hindsight)
        recipe = steady_level(
            predictor_factory=factory, use_mean_reward=use_mean_reward
        )
        assert build(recipe, BOX).predictor.hindsight.decision_reward == expected


def test_with_the_buffer_full_it_goes_on():
    level = build(steady_level(buffer_size=6), BOX)
    live(level, 9)
    assert len(level.buffer) == 6
    assert level.learn(1000)["n_updates"] == 100


def test_writes_through_the_writer_it_is_given():
    class Writer:
        tags: list = []

        def add_scalar(self, tag, value, step):
            self.tags.append((tag, step))

    factory = predictor_with(SMALL_PREDICTOR.partial_encoder, log_interval=1)
    level = build(steady_level(predictor_factory=factory), BOX, writer=Writer())
    live(level, 5)
    level.learn(1000)
    assert ("predictor/loss", 1000) in Writer.tags


# Memory


def test_memory_advances_once_per_decision_with_own_action_and_reward():
    factory = predictor_with(Diary)
    level = build(steady_level(predictor_factory=factory), BOX)
    calls = level.predictor.encoder.calls
    rows = np.array([0, 2])
    first = level.get_action(NOTHING[:2], None, rows)
    level.process_transition(
        transition(rows, action=first, reward=[6.0, 8.0], n_env_steps=[2, 4])
    )
    level.get_action(NOTHING + 1, None, ALL)
    assert len(calls) == 2
    np.testing.assert_array_equal(calls[1]["time_idx"], [1, 0, 1])
    np.testing.assert_array_equal(calls[1]["prev_reward"], [3.0, 0.0, 2.0])
    expected = np.stack([first[0], [0, 0], first[1]])
    np.testing.assert_array_equal(calls[1]["prev_action"], expected)
    level.reset(np.array([2]))
    level.get_action(NOTHING, None, ALL)
    assert calls[2]["memory"][2] == 0 and (calls[2]["memory"][:2] != 0).all()
    assert calls[2]["time_idx"].tolist() == [1, 0, 0]


def test_memory_advances_through_random_decisions_too():
    recipe = planner_level(
        predictor_factory=predictor_with(Diary),
        exploration=Exploration(warm_up_env_steps=100),
    )
    level = build(recipe, BOX)
    actions = live(level, 3)
    calls = level.predictor.encoder.calls
    assert [call["time_idx"].tolist() for call in calls] == [[0] * N, [1] * N, [2] * N]
    np.testing.assert_array_equal(calls[2]["prev_action"], actions[1])


# What is refused


@pytest.mark.parametrize("size", [0, -1])
def test_a_buffer_of_no_size_is_refused(size):
    with pytest.raises(ConfigurationError, match=f"at least 1, got {size}"):
        planner_level(buffer_size=size)


def test_a_buffer_smaller_than_the_instances_is_refused():
    with pytest.raises(ConfigurationError, match="2 for 3 instances"):
        build(steady_level(buffer_size=2), BOX)


@pytest.mark.parametrize(
    "space",
    [spaces.Discrete(3), spaces.Box(-np.inf, np.inf, (2,), np.float32)],
)
def test_a_planner_that_cannot_search_the_space_is_refused(space):
    with pytest.raises(SpaceError):
        build(
            planner_level(partial_planner=QUICK_CEM, exploration=NO_EXPLORATION), space
        )


def test_noise_on_choices_is_refused():
    recipe = steady_level(exploration=Exploration(noise_std=0.1))
    with pytest.raises(ConfigurationError, match="bounded Box"):
        build(recipe, spaces.Discrete(3))


def test_takes_no_input():
    assert planner_level().input_space(BOX) is None


def test_defaults_build():
    level = build(PlannerLevel(SMALL_PREDICTOR), BOX)
    assert level.get_action(NOTHING, None, ALL).shape == (N, 2)
