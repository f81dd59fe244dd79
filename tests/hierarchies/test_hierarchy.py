from copy import deepcopy
from functools import partial

import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.errors import (
    ConfigurationError,
    LevelInputError,
    ObservationError,
    ShapeError,
    SpaceError,
)
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import (
    ActionSequenceLevel,
    ConstantLevel,
    Exploration,
    RandomLevel,
)
from layeredrl.planners import CEMPlanner, PlannerConfig
from layeredrl.predictors import get_default_predictor_factory
from tests.same import assert_same, is_same
from tests.toy_envs import BOX, KINDS, Line, Spaces, lines, unbounded
from tests.toy_levels import (
    Counter,
    Diary,
    Looks,
    planner_level,
    predictor_with,
    steady_level,
)

WIDE = spaces.Box(-1e6, 1e6, (1,), np.float32)


def see(obs, kind="box", maps=None, n=1):
    """What a level sees of observations."""
    env = lines(n, kind=kind, actions=WIDE)
    hierarchy = Hierarchy([Counter()], env, maps)
    hierarchy.get_action(obs)
    return [decisions[0][0] for decisions in hierarchy.levels[0].decisions]


def play(hierarchy, env, n_steps, rng=None):
    """Let a hierarchy act in a single environment, over several episodes."""
    obs, _ = env.reset(seed=0)
    for _ in range(n_steps):
        action = hierarchy.get_action(obs)
        assert env.action_space.contains(action)
        obs, reward, terminated, truncated, info = env.step(action)
        hierarchy.process_transition(obs, reward, terminated, truncated, info)
        if terminated or truncated:
            obs, _ = env.reset()


# Observations


@pytest.mark.parametrize("kind", KINDS)
def test_sees_observations_of_all_kinds_flattened(kind):
    (obs,) = (lines(2, kind=kind).reset(seed=0)[0],)
    for seen in see(obs, kind, n=2):
        vector = seen["vector"] if kind == "image" else seen
        assert vector.dtype == np.float32
        np.testing.assert_array_equal(vector, [0, 0, 0])
        if kind == "image":
            assert seen["camera"].shape == (2, 3) and seen["camera"].dtype == np.uint8


NESTED = {
    "episode": np.array([[1.0]]),
    "where": {"place": np.array([[2.0]]), "time": np.array([[3.0]])},
}


@pytest.mark.parametrize(
    "description, seen",
    [
        (None, [1, 2, 3]),
        (["where"], [2, 3]),
        (["where.time", "episode"], [3, 1]),
        ([2], [3]),
        ([1, 0], [2, 1]),
        ((lambda obs: obs[:, :1] * 10, unbounded(1)), [10]),
    ],
)
def test_hides_what_a_level_is_not_to_see(description, seen):
    np.testing.assert_array_equal(see(NESTED, "dict", [description]), [seen])


def test_each_level_has_its_own_map_in_observations_and_successors():
    levels = [Counter(), Counter(inputs=WIDE), Counter(inputs=WIDE)]
    maps = [["episode"], None, ["where.time"]]
    hierarchy = Hierarchy(levels, lines(1, kind="dict", actions=WIDE), maps)
    hierarchy.get_action(NESTED)
    after = {
        "episode": np.array([[4.0]]),
        "where": {"place": np.array([[5.0]]), "time": np.array([[6.0]])},
    }
    hierarchy.process_transition(after, [0.0], [False], [False])
    told = [level.transitions[0][0] for level in hierarchy.levels]
    assert [t.obs.tolist() for t in told] == [[1], [1, 2, 3], [3]]
    assert [t.next_obs.tolist() for t in told] == [[4], [4, 5, 6], [6]]
    assert [level.spec.obs_shape for level in hierarchy.levels] == [(1,), (3,), (1,)]


def test_images_stay_apart_and_can_be_hidden():
    obs = {
        "camera": np.full((1, 2, 3), 200, np.uint8),
        "state": np.array([[1.0, 2.0, 3.0]]),
    }
    (whole,) = see(obs, "image")
    assert (whole["camera"] == 200).all() and whole["vector"].tolist() == [1, 2, 3]
    (blind,) = see(obs, "image", [["state"]])
    assert blind.tolist() == [1, 2, 3]
    (one_column,) = see(obs, "image", [[2]])
    assert one_column["vector"].tolist() == [3] and "camera" in one_column


def test_images_reach_the_levels_decision_and_successor():
    env = lines(1, kind="image", actions=WIDE)
    hierarchy = Hierarchy([Counter(), ActionSequenceLevel(2)], env)
    obs, _ = env.reset(seed=0)
    for _ in range(2):
        nxt, *rest = env.step(hierarchy.get_action(obs))
        hierarchy.process_transition(nxt, *rest[:3])
        obs = nxt
    (told,) = hierarchy.levels[0].transitions[0]
    assert (told.obs["camera"] == 0).all() and (told.next_obs["camera"] == 2).all()
    assert told.next_obs["camera"].dtype == np.uint8


def test_levels_keep_what_they_saw_although_the_environment_writes_over_it():
    env = lines(1, actions=WIDE, copy=False)
    hierarchy = Hierarchy([Counter(), ActionSequenceLevel(2)], env)
    obs, _ = env.reset(seed=3)
    first = obs.copy()
    for _ in range(2):
        obs, *rest = env.step(hierarchy.get_action(obs))
        hierarchy.process_transition(obs, *rest[:3])
    (told,) = hierarchy.levels[0].transitions[0]
    np.testing.assert_array_equal(told.obs, first[0])


# Actions, and environments that are no vector environments


@pytest.mark.parametrize(
    "space",
    [
        BOX,
        spaces.Box(-0.1, 0.1, (2,), np.float64),
        spaces.Box(-1, 1, (2, 2), np.float32),
        spaces.Box(0, 7, (2,), np.int32),
        spaces.Discrete(3),
        spaces.Discrete(3, start=5),
        spaces.Discrete(2, start=-1),
    ],
)
@pytest.mark.parametrize("n_levels", [1, 2])
def test_random_actions_of_all_kinds_reach_environments(space, n_levels):
    levels = [RandomLevel(), ActionSequenceLevel(2)][:n_levels]
    play(Hierarchy(levels, Line(actions=space)), Line(actions=space), 40)
    env = lines(3, actions=space)
    hierarchy = Hierarchy(levels, env)
    obs, _ = env.reset(seed=0)
    chosen = []
    for _ in range(40):
        action = hierarchy.get_action(obs)
        assert env.action_space.contains(action)
        obs, *rest = env.step(action)  # each line checks its own action too
        hierarchy.process_transition(obs, *rest[:3])
        chosen.append(action)
    if isinstance(space, spaces.Discrete):
        assert set(np.ravel(chosen)) == set(range(space.start, space.start + space.n))


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_environment_needs_no_batch_axis(kind):
    env = Line(kind, actions=WIDE)
    hierarchy = Hierarchy([Counter(gamma=0.5), ActionSequenceLevel(2)], env)
    play(hierarchy, env, 30)
    told = hierarchy.levels[0].transitions[0]
    assert {t.n_env_steps for t in told} <= {1, 2} and len(told) >= 15
    assert sum(t.n_env_steps for t in told) >= 29
    ends = [t for t in told if t.terminated or t.truncated]
    success = [bool(t.info["success"]) for t in ends]
    assert success == [bool(t.truncated) for t in ends]


def test_a_single_environment_and_a_vector_of_one_are_told_the_same():
    single, vector = Line(), lines(1)
    told = []
    for env in (single, vector):
        hierarchy = Hierarchy([ConstantLevel((0.5,))], env)
        obs, _ = env.reset(seed=1)
        actions = []
        for _ in range(2):
            action = hierarchy.get_action(obs)
            obs, reward, terminated, truncated, info = env.step(action)
            hierarchy.process_transition(obs, reward, terminated, truncated, info)
            actions.append(np.ravel(action))
        told.append((actions, hierarchy.state_dict()))
    assert_same(told[0], told[1])


def test_numbers_of_the_info_reach_the_levels_and_all_else_is_left_out():
    hierarchy = Hierarchy([Counter()], Spaces(2, actions=WIDE))
    hierarchy.get_action(np.zeros((2, 3)), np.array([False, True]))
    info = {
        "success": np.array([True, False]),
        "goal": np.arange(6.0).reshape(2, 3),
        "_success": np.array([True, True]),
        "names": np.array(["a", None], object),
        "final_info": {"success": np.array([True, True])},
        "text": "text",
        "too_short": np.zeros(1),
        "number": 3.0,
    }
    zeros = np.zeros(2)
    hierarchy.process_transition(np.zeros((2, 3)), zeros, zeros, zeros, info)
    (told,) = hierarchy.levels[0].transitions[1]
    assert set(told.info) == {"success", "_success", "goal"}
    assert not told.info["success"] and told.info["goal"].tolist() == [3, 4, 5]


# Modes and learning


def test_modes_reach_all_levels_and_only_training_counts():
    hierarchy = Hierarchy([Counter(), ActionSequenceLevel(2)], Line(actions=WIDE))
    play(hierarchy, Line(actions=WIDE), 3)
    hierarchy.eval()
    assert not any(level.is_training for level in (hierarchy, *hierarchy.levels))
    play(hierarchy, Line(actions=WIDE), 5)
    assert hierarchy.n_env_steps == 3
    hierarchy.train()
    assert all(level.is_training for level in (hierarchy, *hierarchy.levels))


def test_learning_is_reported_by_level_and_waits_for_environment_steps():
    env = Line(actions=spaces.Box(-1, 1, (1,), np.float32))
    hierarchy = Hierarchy([steady_level(), ActionSequenceLevel(2)], env)
    play(hierarchy, env, 19)
    assert hierarchy.learn() == {}
    play(hierarchy, env, 1)
    learned = hierarchy.learn()
    assert learned["level0/n_updates"] == 2 and "level0/predictor/loss" in learned


def test_the_buffer_of_a_planner_over_sequences_holds_semi_mdp_transitions():
    env = Line()
    hierarchy = Hierarchy(
        [steady_level(use_mean_reward=False), ActionSequenceLevel(3)], env
    )
    play(hierarchy, env, 60)
    buffer = hierarchy.levels[0].buffer
    stored = buffer[buffer.sample_indices(0)]
    time, next_time = stored.obs[:, 2], stored.obs_next[:, 2]
    np.testing.assert_array_equal(next_time - time, stored.info.n_env_steps)
    assert set(stored.info.n_env_steps) == {1, 2, 3}
    is_short = stored.info.n_env_steps < 3
    assert stored.done[is_short].all()
    assert (stored.obs[:, 0] == stored.obs_next[:, 0]).all()  # the same episode
    # Rewards are time + place / 2: what is not of the place is known without the actions.
    gamma = hierarchy.levels[0].reward_gamma
    k = stored.info.n_env_steps
    times = [sum(gamma**j * (t + 1 + j) for j in range(m)) for t, m in zip(time, k)]
    first_only = k == 1
    np.testing.assert_allclose(
        (stored.rew - times)[first_only],
        0.5 * stored.obs_next[first_only, 1],
        atol=1e-5,
    )


def test_a_planner_learns_from_pictures_and_vectors():
    env = lines(2, kind="image")
    recipe = steady_level(predictor_factory=predictor_with(Looks))
    hierarchy = Hierarchy([recipe, ActionSequenceLevel(2)], env)
    drive(hierarchy, env, 30)
    level = hierarchy.levels[0]
    stored = level.buffer[level.buffer.sample_indices(0)]
    for obs in (stored.obs, stored.obs_next):
        episode, _, time = obs["vector"].T
        expected = (10 * episode + time).astype(np.uint8)
        assert (obs["camera"] == expected[:, None, None]).all()
    assert level.n_updates > 0


def test_a_second_configuration_does_not_disturb_the_first():
    def acted(horizon):
        config = PlannerConfig(horizon=horizon)
        recipe = planner_level(partial_planner=partial(CEMPlanner, config=config))
        return drive(Hierarchy([recipe], lines(2)), lines(2), 25)

    first = acted(2)
    assert not is_same(first, acted(5))
    assert_same(first, acted(2))


# Memory in a hierarchy


def test_memory_advances_once_per_decision_of_its_own_level():
    env = Line()
    recipe = steady_level(predictor_factory=predictor_with(Diary))
    hierarchy = Hierarchy([recipe, ActionSequenceLevel(2)], env)
    play(hierarchy, env, 60)
    level = hierarchy.levels[0]
    calls, buffer = level.predictor.encoder.calls, level.buffer
    stored = buffer[buffer.sample_indices(0)]
    assert 0 <= len(calls) - len(stored.rew) <= 1
    start = {"time": 0, "action": np.zeros(2), "reward": 0.0, "memory": 0.0}
    expected = dict(start)
    for call, one in zip(calls, stored, strict=False):
        assert call["time_idx"][0] == expected["time"]
        np.testing.assert_array_equal(call["prev_action"][0], expected["action"])
        assert call["prev_reward"][0] == pytest.approx(expected["reward"])
        assert call["memory"][0, 0] == pytest.approx(expected["memory"], rel=1e-5)
        told = sum(call[key].sum() for key in ("obs", "prev_action", "prev_reward"))
        expected = {
            "time": expected["time"] + 1,
            "action": one.act,
            "reward": float(one.rew),
            "memory": 0.5 * expected["memory"] + told + call["time_idx"][0],
        }
        if one.done:
            expected = dict(start)
    assert stored.done.sum() > 5


# What levels are told of their place


def test_levels_are_told_of_their_place():
    levels = [RandomLevel(), ActionSequenceLevel(2), Counter(3, inputs=WIDE)]
    maps = [None, ["where"], [0]]
    env = lines(4, kind="dict", actions=WIDE)
    hierarchy = Hierarchy(levels, env, maps)
    specs = [level.spec for level in hierarchy.levels]
    assert [spec.obs_shape for spec in specs] == [(3,), (2,), (1,)]
    assert [spec.decision_interval for spec in specs] == [6, 3, 1]
    assert [spec.n_instances for spec in specs] == [4, 4, 4]
    assert specs[0].input_space is None and specs[2].action_space == WIDE
    for above, below in zip(specs, specs[1:], strict=False):
        assert above.action_space == below.input_space
        assert above.seed.generate_state(2).tolist() != (
            below.seed.generate_state(2).tolist()
        )


def test_only_the_level_below_a_planner_may_read_its_predictor():
    levels = [planner_level(), ActionSequenceLevel(1), ActionSequenceLevel(1)]
    hierarchy = Hierarchy(levels, lines(2))
    top = hierarchy.levels[0]
    assert [level.spec.parent_predictor for level in hierarchy.levels] == [
        None,
        top.predictor,
        None,
    ]
    copy = hierarchy.acting_copy(lines(2), 0)
    assert copy.levels[1].spec.parent_predictor is copy.levels[0].predictor
    assert copy.levels[0].predictor is not top.predictor


def test_states_that_were_read_stay_as_they_are():
    hierarchy = Hierarchy([planner_level(), ActionSequenceLevel(3)], lines(3))
    drive(hierarchy, lines(3), 20)
    hierarchy.get_action(np.zeros((3, 3)))
    states = hierarchy.state_dict(), hierarchy.acting_state()
    before = deepcopy(states)
    other = Hierarchy([planner_level(), ActionSequenceLevel(3)], lines(3))
    other.load_state_dict(states[0])
    for one in (hierarchy, other):
        one.reset()
        drive(one, lines(3), 20)
    assert_same(before, states)


# What is refused


@pytest.mark.parametrize(
    "levels, maps, named",
    [
        ([], None, "0 levels"),
        ([RandomLevel()], [], "1 levels and 0 maps"),
        ([RandomLevel()], [None, None], "1 levels and 2 maps"),
        ([RandomLevel(), ActionSequenceLevel(2)], [None], "2 levels and 1 maps"),
        ([ActionSequenceLevel(2)], None, "cannot be on top"),
        ([RandomLevel(), RandomLevel()], None, "takes no input"),
        ([RandomLevel], None, "level 0 is"),
    ],
)
def test_wrong_lists_of_levels_and_maps_are_refused(levels, maps, named):
    with pytest.raises(ConfigurationError, match=named):
        Hierarchy(levels, Spaces(), maps)


@pytest.mark.parametrize(
    "description, error, named",
    [
        (["nowhere"], SpaceError, "nowhere"),
        ([3], SpaceError, "3"),
        ([], ConfigurationError, "list of keys"),
        ("where", ConfigurationError, "where"),
        (7, ConfigurationError, "7"),
    ],
)
def test_wrong_maps_are_refused(description, error, named):
    with pytest.raises(error, match=named):
        Hierarchy([RandomLevel()], lines(1, kind="dict"), [description])


@pytest.mark.parametrize("env", ["Maze2D-Open-v0", None, Line])
def test_what_is_no_environment_is_refused(env):
    with pytest.raises(ConfigurationError, match="expected an environment"):
        Hierarchy([RandomLevel()], env)


def test_unbounded_actions_are_refused_when_the_hierarchy_is_built():
    for level in (RandomLevel(), planner_level()):
        with pytest.raises(SpaceError, match="bound"):
            Hierarchy([level], Spaces(actions=unbounded(2)))
    sequences = [RandomLevel(), ActionSequenceLevel(2)]
    with pytest.raises(SpaceError, match="bound"):
        Hierarchy(sequences, Spaces(actions=unbounded(2)))


def test_an_environment_without_goals_is_refused_by_the_default_factory():
    with pytest.raises(SpaceError, match="where"):
        get_default_predictor_factory(lines(1, kind="dict"), 0)


@pytest.mark.parametrize("number", [50.0, float("nan")])
def test_a_decision_outside_the_space_below_names_level_and_value(number):
    levels = [Counter(scale=number), ActionSequenceLevel(2)]
    hierarchy = Hierarchy(levels, Spaces(2))
    with pytest.raises(LevelInputError, match=rf"level 0 \(Counter\).*\[{number:.0f}"):
        hierarchy.get_action(np.zeros((2, 3)))
    lower = Hierarchy(
        [Counter(scale=0.1), Counter(inputs=BOX, scale=number)], Spaces(2)
    )
    with pytest.raises(LevelInputError, match="level 1"):
        lower.get_action(np.zeros((2, 3)))


BAD = [np.nan, np.inf, -np.inf, 1e300]


@pytest.mark.parametrize("bad", BAD)
def test_a_broken_observation_names_instance_and_key(bad):
    hierarchy = Hierarchy([RandomLevel()], lines(3, kind="dict"))
    obs, _ = lines(3, kind="dict").reset(seed=0)
    obs["where"]["place"] = obs["where"]["place"].astype(np.float64)
    obs["where"]["place"][2] = bad
    with pytest.raises(ObservationError, match=r"instance 2 .*'where.place'"):
        hierarchy.get_action(obs)
    hierarchy.get_action(obs, np.array([True, True, False]))


@pytest.mark.parametrize("bad", BAD)
def test_a_broken_successor_is_noticed_before_anything_is_stored(bad):
    hierarchy = Hierarchy([steady_level(), ActionSequenceLevel(1)], lines(3))
    obs = np.zeros((3, 3))
    hierarchy.get_action(obs, np.array([True, False, True]))
    before = hierarchy.state_dict(), hierarchy.levels[0].buffer_state()
    zeros, broken = np.zeros(3), np.ones((3, 3))
    broken[2, 1] = bad
    with pytest.raises(ObservationError, match="instance 2"):
        hierarchy.process_transition(broken, zeros, zeros, zeros)
    after = hierarchy.state_dict(), hierarchy.levels[0].buffer_state()
    assert_same(before, after)
    # Instances at rest may hold anything; and what was noticed can be made up for.
    broken[2, 1], broken[1] = 0.0, bad
    hierarchy.process_transition(broken, zeros, zeros, zeros)
    assert len(hierarchy.levels[0].buffer) == 2 and hierarchy.n_env_steps == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_broken_reward_is_noticed_before_anything_is_stored(bad):
    hierarchy = Hierarchy([steady_level()], lines(3))
    hierarchy.get_action(np.zeros((3, 3)), np.array([True, False, True]))
    before = hierarchy.state_dict()
    zeros = np.zeros(3)
    with pytest.raises(ObservationError, match=f"reward of instance 2 is {bad}"):
        hierarchy.process_transition(np.zeros((3, 3)), [0, 0, bad], zeros, zeros)
    assert_same(before, hierarchy.state_dict())
    hierarchy.process_transition(np.zeros((3, 3)), [0, bad, 0], zeros, zeros)
    assert np.isfinite(hierarchy.levels[0].buffer.rew).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"next_obs": np.zeros((2, 3))},
        {"next_obs": {"a": np.zeros((3, 3))}},
        {"reward": np.zeros(2)},
        {"reward": 0.0},
        {"terminated": np.zeros((3, 1))},
        {"truncated": [False]},
    ],
)
def test_arrays_of_another_shape_are_refused(wrong):
    hierarchy = Hierarchy([RandomLevel()], lines(3))
    hierarchy.get_action(np.zeros((3, 3)))
    zeros = np.zeros(3)
    right = {
        "next_obs": np.zeros((3, 3)),
        "reward": zeros,
        "terminated": zeros,
        "truncated": zeros,
    }
    with pytest.raises((ShapeError, ObservationError), match="shape|found"):
        hierarchy.process_transition(**{**right, **wrong})


@pytest.mark.parametrize(
    "active", [np.ones(2, bool), np.ones((3, 1), bool), np.array([0, 2]), np.ones(3)]
)
def test_active_is_a_mask(active):
    hierarchy = Hierarchy([RandomLevel()], lines(3))
    with pytest.raises(ShapeError, match=r"boolean mask of shape \(3,\)"):
        hierarchy.get_action(np.zeros((3, 3)), active)


def test_a_mask_may_change_afterwards():
    hierarchy = Hierarchy([Counter()], Spaces(2, actions=WIDE))
    active = np.array([True, False])
    hierarchy.get_action(np.zeros((2, 3)), active)
    active[:] = [False, True]
    zeros = np.zeros(2)
    hierarchy.process_transition(np.zeros((2, 3)), zeros, zeros, zeros)
    assert [len(t) for t in hierarchy.levels[0].transitions] == [1, 0]


@pytest.mark.parametrize(
    "which", [None, np.array([2, 0]), np.array([True, False, True]), np.array([], int)]
)
def test_resets_by_index_or_by_mask(which):
    hierarchy = Hierarchy([planner_level(), ActionSequenceLevel(3)], lines(3))
    hierarchy.levels[0].eval()
    hierarchy.get_action(np.zeros((3, 3)))
    hierarchy.reset(which)
    has_plan = hierarchy.levels[0].planner.state_dict()["has_plan"]
    expected = np.ones(3, bool)
    expected[slice(None) if which is None else which] = False
    np.testing.assert_array_equal(has_plan, expected)
    for record in hierarchy.state_dict()["flow"]:
        np.testing.assert_array_equal(record["needs_decision"], ~expected)


# Acting copies


def test_an_acting_copy_acts_the_same_and_disturbs_nothing():
    env = lines(3)
    hierarchy = Hierarchy([steady_level(), ActionSequenceLevel(2)], env)
    drive(hierarchy, lines(3), 30)
    before = hierarchy.state_dict(), hierarchy.levels[0].buffer_state()
    copies = [hierarchy.acting_copy(lines(3), seed) for seed in (0, 1)]
    acted = [drive(copy, lines(3), 20) for copy in copies]
    assert_same(acted[0], acted[1])  # nothing is drawn at random
    after = hierarchy.state_dict(), hierarchy.levels[0].buffer_state()
    assert_same(before, after)
    assert all(not copy.is_training for copy in copies)
    assert copies[0].levels[0].buffer is None
    hierarchy.eval()
    hierarchy.reset()
    assert_same(acted[0], drive(hierarchy, lines(3), 20))


def test_an_acting_copy_may_have_another_size_or_a_single_environment():
    hierarchy = Hierarchy([planner_level(exploration=Exploration(0))], lines(3))
    drive(hierarchy, lines(3), 10)
    drive(hierarchy.acting_copy(lines(5), 0), lines(5), 5)
    play(hierarchy.acting_copy(Line(), 0), Line(), 5)


def test_the_warm_start_of_training_survives_a_copys_acting():
    hierarchy = Hierarchy([planner_level(exploration=Exploration(0))], lines(3))
    drive(hierarchy, lines(3, lengths=(6, 7)), 4)
    plans = hierarchy.levels[0].planner.state_dict()
    assert plans["has_plan"].all()
    drive(hierarchy.acting_copy(lines(3), 0), lines(3), 10)
    assert_same(plans, hierarchy.levels[0].planner.state_dict())


@pytest.mark.parametrize(
    "env", [lines(2, kind="dict"), Spaces(actions=spaces.Box(-2, 2, (1,), np.float32))]
)
def test_an_acting_copy_for_other_spaces_is_refused(env):
    hierarchy = Hierarchy([RandomLevel()], lines(3))
    with pytest.raises(SpaceError, match="was built for"):
        hierarchy.acting_copy(env, 0)


def drive(hierarchy, env, n_steps):
    """Act in a vector environment; returns the actions."""
    obs, _ = env.reset(seed=0)
    over = np.zeros(env.num_envs, bool)
    actions = []
    for _ in range(n_steps):
        active = ~over
        action = hierarchy.get_action(obs, active)
        obs, reward, terminated, truncated, _ = env.step(action)
        hierarchy.process_transition(obs, reward, terminated, truncated)
        hierarchy.learn()
        over = terminated | truncated
        actions.append(np.where(active[:, None], action, 0.0))
    return actions
