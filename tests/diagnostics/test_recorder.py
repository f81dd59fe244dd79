from functools import partial

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from layeredrl.collectors import evaluate
from layeredrl.diagnostics import EpisodeRecorder, record_episodes
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import ActionSequenceLevel, PlannerLevel, RandomLevel
from layeredrl.optimizers import ICEMConfig
from layeredrl.planners import CEMPlanner, PlannerConfig
from layeredrl.predictors import (
    get_default_predictor_factory,
    get_memory_predictor_factory,
)
from tests.nets.backbones import GRU, STEP
from tests.toy_envs import MODES, lines
from tests.toys import GoalEnv

HORIZON = 4


def goals(n=3, mode="NextStep", length=10):
    return SyncVectorEnv(
        [partial(GoalEnv, length=length)] * n, autoreset_mode=AutoresetMode(mode)
    )


def planner(factory, n_repeats=1, **options):
    config = PlannerConfig(horizon=HORIZON, n_repeats=n_repeats)
    search = ICEMConfig(n_candidates=4, n_iterations=1)
    partial_planner = partial(CEMPlanner, config=config, search=search)
    return PlannerLevel(factory, partial_planner, **options)


def stack(env, n_repeats=1, below=(ActionSequenceLevel(3),), **options):
    top = planner(get_default_predictor_factory(env, 0), n_repeats, **options)
    return Hierarchy([top, *below], env, seed=0)


@pytest.mark.parametrize("mode", MODES)
def test_every_decision_of_every_instance_is_recorded(mode):
    env = goals(mode=mode)
    recording = record_episodes(stack(env), env, 5, seed=0)
    # Episodes of 10 steps: three sequences of 3, and one that was cut short.
    assert recording.n_episodes == 5 and len(recording) == 20
    assert recording.episode.tolist() == np.repeat(np.arange(5), 4).tolist()
    assert recording.time.tolist() == [0, 1, 2, 3] * 5
    assert recording.n_env_steps.tolist() == [3, 3, 3, 1] * 5
    assert recording.is_cut.tolist() == [False, False, False, True] * 5
    assert recording.horizon == HORIZON
    follows = recording.time > 0
    assert np.array_equal(
        recording.state[follows], recording.reached[~np.roll(~follows, -1)]
    )
    assert np.allclose(recording.planned[:, 0], recording.state, atol=1e-6)
    assert np.isfinite(recording.planned).all()
    last = recording.n_env_steps
    rows = np.arange(len(recording))
    assert np.array_equal(recording.path[rows, last], recording.reached)
    assert np.array_equal(recording.path[:, 0], recording.state)
    assert np.isnan(recording.path[3, 2:]).all()
    # Sequences of three actions of length 0.1 each end where they say.
    moved = 0.1 * recording.action.reshape(-1, 3, 2)
    whole = ~recording.is_cut
    change = recording.reached - recording.state
    assert np.allclose(change[whole], moved.sum(1)[whole], atol=1e-5)
    assert np.allclose(change[~whole], moved[~whole, 0], atol=1e-5)


def test_goals_are_recorded():
    env = goals()
    recording = record_episodes(stack(env), env, 3, seed=0)
    assert np.array_equal(recording.achieved_goal, recording.state)
    assert recording.position_columns() == (0, 1)
    assert np.array_equal(recording.desired_goal, recording.context)


@pytest.mark.parametrize("uses_mean", [True, False])
def test_rewards_are_recorded_as_the_level_learns_them(uses_mean):
    env = goals()
    hierarchy = stack(env, use_mean_reward=uses_mean)
    recording = record_episodes(hierarchy, env, 3, seed=0)
    # What is paid at a step is the distance to the goal after it.
    distance = recording.path[:, 1:] - recording.desired_goal[:, None]
    paid = np.nan_to_num(-np.linalg.norm(distance, axis=-1))
    gamma = hierarchy.levels[0].predictor.gamma
    sums = paid @ (np.ones(3) if uses_mean else gamma ** np.arange(3))
    expected = sums / recording.n_env_steps if uses_mean else sums
    assert np.allclose(recording.reward, expected, atol=1e-5)


def test_a_planner_over_actions_is_recorded_too():
    env = goals()
    recording = record_episodes(stack(env, below=()), env, 3, seed=0)
    assert len(recording) == 30 and recording.path.shape == (30, 2, 2)
    assert not recording.is_cut.any()


def test_decisions_that_go_on_with_a_plan_have_what_is_left_of_it():
    env = goals()
    recording = record_episodes(stack(env, n_repeats=2, below=()), env, 3, seed=0)
    length = 2 * HORIZON + 1
    assert recording.planned.shape == (30, length, 2)
    first, second = recording.planned[::2], recording.planned[1::2]
    assert np.array_equal(second[:, :-1], first[:, 1:])
    assert np.isnan(second[:, -1]).all() and np.isfinite(first).all()
    assert np.array_equal(recording.action[::2], recording.action[1::2])


def test_what_is_still_going_on_is_left_out():
    env = goals()
    hierarchy = stack(env)
    recorder = EpisodeRecorder(hierarchy)
    n_steps = 0

    def stop(*step):
        nonlocal n_steps
        n_steps += 1
        if n_steps <= 5:
            recorder(*step)

    evaluate(hierarchy, env, 3, seed=0, on_step=stop)
    recording = recorder.recording()
    assert recording.n_episodes == 3 and recording.n_env_steps.tolist() == [3] * 3


def test_recording_changes_nothing():
    env = goals()
    watched, alone = (stack(env) for _ in range(2))
    recorder = EpisodeRecorder(watched)
    assert evaluate(watched, env, 4, 0, on_step=recorder) == evaluate(alone, env, 4, 0)


def memory_stack(env):
    below = ActionSequenceLevel(3)
    factory = get_memory_predictor_factory(
        env,
        GRU,
        tstep_encoder_type=STEP,
        max_seq_len=12,
        action_space=below.input_space(env.single_action_space),
    )
    return Hierarchy([planner(factory), below], env, seed=0)


def test_encoders_with_memory_know_states_at_decisions_alone():
    env = goals()
    recording = record_episodes(memory_stack(env), env, 3, seed=0, keeps_paths=False)
    assert recording.path is None
    ends = recording.time == 3
    assert np.isnan(recording.reached[ends]).all()
    assert np.array_equal(recording.reached[~ends], recording.state[recording.time > 0])


def test_paths_are_refused_where_the_encoder_remembers():
    with pytest.raises(ConfigurationError, match="keeps_paths=False"):
        EpisodeRecorder(memory_stack(goals()))


def test_a_planner_is_needed_on_top():
    env = lines()
    with pytest.raises(ConfigurationError, match="planner on top.*RunningRandom"):
        EpisodeRecorder(Hierarchy([RandomLevel()], env))


def test_something_has_to_be_recorded():
    with pytest.raises(ConfigurationError, match="no decision"):
        EpisodeRecorder(stack(goals())).recording()
