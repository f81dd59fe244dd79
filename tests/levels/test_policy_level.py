"""What a policy level stores, asks its learner, and hands back; with a toy learner."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.learners import PPOConfig, SACConfig
from layeredrl.levels import Exploration, LearningSchedule, PolicyLevel
from tests.levels.building import build, transition
from tests.levels.notebook import (
    ALL,
    BOX,
    GOALS,
    SKILLS,
    N,
    Notes,
    policy_level,
    step,
    stored,
)

# What is stored


def test_stores_what_the_policy_saw_and_what_the_objective_pays():
    running = policy_level(objective=GOALS, n_decisions=2)
    goal, near = [0.5, -0.5], [-0.4, 9.0, 0.5]  # columns 2 and 0 are achieved
    step(running, goal, obs=[1, 2, 3], next_obs=[4, 5, 6], reward=[7.0] * N)
    step(running, goal, obs=[4, 5, 6], next_obs=near, n_env_steps=[3] * N)
    for instance in ALL:
        found = {
            key: stored(running, key, instance).tolist()
            for key in ("obs", "obs_next", "rew", "handed_back", "time_idx")
        }
        assert found["obs"] == [[1, 2, 3, *goal], [4, 5, 6, *goal]]
        assert found["obs_next"][0] == found["obs"][1]
        assert found["obs_next"][1] == pytest.approx([*near, *goal])
        assert found["rew"] == [-1.0, 0.0]
        assert found["handed_back"] == [False, True]
        assert found["time_idx"] == [0, 1]
        assert stored(running, "n_env_steps", instance).tolist() == [1, 3]
        np.testing.assert_array_equal(stored(running, "act", instance), 0.25)


def test_on_top_it_stores_what_it_is_told():
    running = policy_level()
    step(running, obs=[1, 2, 3], next_obs=[4, 5, 6], reward=[7.0, 8.0, 9.0])
    assert stored(running, "obs", 1).tolist() == [[1, 2, 3]]
    assert stored(running, "obs_next", 1).tolist() == [[4, 5, 6]]
    assert stored(running, "rew", 1).tolist() == [8.0]
    assert "handed_back" not in running.buffer.info.get_keys()


def test_skills_are_shown_and_paid_as_the_environment_pays():
    running = policy_level(objective=SKILLS, n_decisions=2)
    skill = np.eye(4, dtype=np.float32)[[2, 0, 3]]
    obs = np.zeros((N, 3), np.float32)
    action = running.get_action(obs, skill, ALL)
    running.process_transition(
        transition(ALL, action=action, level_input=skill, reward=[1.0, 2.0, 3.0])
    )
    assert [stored(running, "rew", i).tolist() for i in ALL] == [[1.0], [2.0], [3.0]]
    for i in ALL:
        assert stored(running, "obs", i)[0, 3:].tolist() == skill[i].tolist()


def test_images_pass_through_and_the_condition_is_in_the_vector():
    shape = {"vector": (3,), "camera": (4, 4, 3)}
    running = build(
        PolicyLevel(Notes(), GOALS, exploration=Exploration(0)), BOX, obs_shape=shape
    )
    assert running.learner.spec.obs_shape == {"vector": (5,), "camera": (4, 4, 3)}
    camera = np.random.default_rng(0).integers(0, 256, (2, N, 4, 4, 3)).astype(np.uint8)
    obs, next_obs = (
        {"vector": np.full((N, 3), i, np.float32), "camera": camera[i]} for i in (0, 1)
    )
    goal = np.full((N, 2), 0.5, np.float32)
    action = running.get_action(obs, goal, ALL)
    (situation, _), *_ = running.learner.situations
    assert situation.obs["camera"].dtype == torch.uint8
    np.testing.assert_array_equal(situation.obs["camera"], camera[0])
    assert situation.obs["vector"].tolist() == [[0, 0, 0, 0.5, 0.5]] * N
    running.process_transition(
        transition(ALL, obs=obs, next_obs=next_obs, action=action, level_input=goal)
    )
    kept = running.buffer[running.buffer.last_index]
    np.testing.assert_array_equal(kept.obs["camera"], camera[0])
    np.testing.assert_array_equal(kept.obs_next["camera"], camera[1])
    assert kept.obs_next["vector"].tolist() == [[1, 1, 1, 0.5, 0.5]] * N


# When control goes back


def test_control_goes_back_after_as_many_decisions_in_each_instance_by_itself():
    running = policy_level(objective=GOALS, n_decisions=2)
    far = {"level_input": [0.9, 0.9], "next_obs": -0.9}
    assert step(running, instances=[0, 2], **far) == [False, False]
    assert step(running, instances=[2, 1], **far) == [True, False]
    assert step(running, instances=ALL, **far) == [True, True, False]


@pytest.mark.parametrize("ends", [True, False])
def test_control_goes_back_when_the_goal_is_reached(ends):
    running = policy_level(
        objective=replace(GOALS, ends_when_reached=ends), n_decisions=9
    )
    places = np.array([[0.0] * 3, [9.0] * 3, [0.2] * 3], np.float32)
    goal = [0.0, 0.0]
    assert step(running, goal, next_obs=places) == [ends, False, ends]
    assert running._pursuits.n_decisions.tolist() == ([0, 1, 0] if ends else [1] * N)


def test_an_input_holds_until_it_is_over():
    running = policy_level(objective=GOALS, n_decisions=2)
    for value in (0.1, 0.2, 0.3):
        step(running, [value, value], next_obs=-0.9)
    goals = stored(running, "obs")[:, 3]
    np.testing.assert_allclose(goals, [0.1, 0.1, 0.3])


def test_a_new_episode_takes_a_new_input():
    running = policy_level(objective=GOALS, n_decisions=5)
    step(running, [0.1, 0.1], next_obs=-0.9)
    running.reset(np.array([1]))
    step(running, [0.2, 0.2], next_obs=-0.9)
    goals = [stored(running, "obs", i)[:, 3].tolist() for i in ALL]
    np.testing.assert_allclose(goals, [[0.1, 0.1], [0.1, 0.2], [0.1, 0.1]])


def test_offsets_count_from_where_the_level_was_asked():
    running = policy_level(objective=replace(GOALS, is_relative=True), n_decisions=2)
    for i in range(3):
        step(running, [0.25, -0.25], obs=[i, 0, 10 * i], next_obs=[i + 1, 0, 10 * i])
    conditions = stored(running, "obs")[:, 3:]
    # Achieved are columns 2 and 0; the third decision is the first of a new pursuit.
    expected = [[0.25, -0.25], [0.25, -0.25], [20.25, 1.75]]
    np.testing.assert_allclose(conditions, expected)
    np.testing.assert_allclose(stored(running, "obs_next")[:, 3:], expected)


# What the learner is told when it acts


def test_the_learner_sees_every_step_with_the_levels_own_action_reward_and_time():
    running = policy_level(
        objective=GOALS, n_decisions=2, exploration=Exploration(warm_up_env_steps=5)
    )
    goal, near = [0.0, 0.0], 0.0
    step(running, goal, instances=[0, 2], obs=1.0, next_obs=9.0, reward=[5.0, 5.0])
    step(running, goal, instances=[2, 1], obs=2.0, next_obs=near)
    step(running, goal, instances=ALL, obs=3.0, next_obs=9.0)
    running.reset(np.array([2]))
    step(running, goal, instances=ALL, obs=4.0)
    told = [situation for situation, _ in running.learner.situations]
    assert [x.instances.tolist() for x in told] == [[0, 2], [2, 1], [0, 1, 2]] + [
        [0, 1, 2]
    ]
    assert [x.time_idx.tolist() for x in told] == [
        [0, 0],
        [1, 0],
        [1, 1, 2],
        [2, 2, 0],
    ]
    assert [x.prev_reward.tolist() for x in told] == [
        [0, 0],
        [-1, 0],
        [-1, 0, 0],
        [-1, -1, 0],
    ]
    act = [[stored(running, "act", i)[t] for t in range(2)] for i in ALL]
    np.testing.assert_array_equal(
        told[2].prev_action, [act[0][0], act[1][0], act[2][1]]
    )
    assert not told[3].prev_action[2].any() and told[3].prev_action[:2].any()
    assert running.learner.resets == [[2]]
    assert told[0].obs.tolist() == [[1, 1, 1, 0, 0]] * 2


def test_the_learner_explores_in_training_only():
    running = policy_level()
    step(running)
    running.eval()
    step(running)
    assert [explore for _, explore in running.learner.situations] == [True, False]


def test_a_learner_is_told_what_it_sees_and_what_it_is_asked():
    spec = policy_level(objective=GOALS).learner.spec
    assert spec.obs_shape == (5,) and spec.n_condition == 2
    assert spec.action_space == BOX and spec.n_instances == N
    assert policy_level().learner.spec.n_condition == 0


# Exploration


def test_decisions_are_random_during_warm_up():
    running = policy_level(exploration=Exploration(warm_up_env_steps=6))
    for _ in range(4):
        step(running)
    marks = stored(running, "random_mode")
    assert marks.tolist() == [True, True, False, False]
    actions = np.stack([stored(running, "act", i)[:2] for i in ALL])
    assert len(np.unique(actions[..., 0])) == 6
    assert (actions >= BOX.low).all() and (actions <= BOX.high).all()
    assert len(running.learner.situations) == 4  # it is asked all the same
    np.testing.assert_array_equal(running.learner.decision, 0.25)  # its own tensor


def test_noise_is_added_in_training_only():
    running = policy_level(exploration=Exploration(warm_up_env_steps=0, noise_std=0.1))
    step(running)
    assert len(np.unique(stored(running, "act", 0))) == 2
    running.eval()
    action = running.get_action(np.zeros((N, 3), np.float32), None, ALL)
    np.testing.assert_array_equal(action, 0.25)


# Acting copies, and what is refused


def test_an_acting_copy_keeps_nothing_and_learns_nothing():
    recipe = PolicyLevel(Notes(), GOALS, n_decisions=2, exploration=Exploration(99))
    running = build(recipe, BOX, keeps_buffer=False)
    running.eval()
    assert step(running, [0.9, 0.9], next_obs=-0.9) == [False] * N
    assert running.buffer is None and running.replay_buffers() == {}
    assert running.learn(10_000) == {} and running.n_env_steps == 0
    action = running.get_action(np.zeros((N, 3), np.float32), np.zeros((N, 2)), ALL)
    np.testing.assert_array_equal(action, 0.25)


def test_rewards_within_a_decision_are_discounted_as_the_learner_does():
    assert policy_level(Notes(gamma=0.7)).reward_gamma == 0.7


@pytest.mark.parametrize(
    "exploration",
    [
        Exploration(warm_up_env_steps=1),
        Exploration(0, random_probability=0.1),
        Exploration(0, noise_std=0.1),
    ],
)
def test_on_policy_learners_refuse_random_decisions(exploration):
    with pytest.raises(ConfigurationError, match="on-policy.*Exploration"):
        policy_level(PPOConfig(), exploration=exploration)


def test_on_policy_defaults():
    running = policy_level(
        PPOConfig(hidden_sizes=(4,)), exploration=None, learning=None
    )
    assert not running._exploration._config.is_active
    assert running._schedule.interval_env_steps == 2048
    running = policy_level(
        SACConfig(hidden_sizes=(4,)), exploration=None, learning=None
    )
    assert running._exploration._config == Exploration()
    assert running._schedule == LearningSchedule()


@pytest.mark.parametrize("objective", [GOALS, SKILLS])
def test_on_top_there_is_nobody_who_could_ask(objective):
    recipe = PolicyLevel(Notes(), objective)
    with pytest.raises(ConfigurationError, match="on top.*needs that"):
        build(recipe, BOX, input_space=None)


@pytest.mark.parametrize(
    "wrong", [{"n_decisions": 0}, {"n_decisions": float("nan")}, {"buffer_size": -1}]
)
def test_numbers_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigurationError, match=str(next(iter(wrong.values())))):
        PolicyLevel(**wrong)


def test_an_objective_that_does_not_fit_is_refused():
    with pytest.raises(SpaceError, match=r"\(2, 7\).*sees only 3"):
        policy_level(objective=replace(GOALS, achieved=(2, 7)))


def test_noise_on_choices_is_refused():
    recipe = PolicyLevel(Notes(), exploration=Exploration(noise_std=0.1))
    with pytest.raises(ConfigurationError, match="bounded Box"):
        build(recipe, spaces.Discrete(3))
