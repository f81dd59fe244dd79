import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

from layeredrl.collectors import Episode, evaluate, summarize, wilson_interval
from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import ActionSequenceLevel, ConstantLevel, RandomLevel
from tests.hierarchies.acting import Life
from tests.same import assert_same
from tests.toy_envs import MODES, Line, lines
from tests.toy_levels import steady_level

N = 3


def play(n_episodes=10, seed=0, env=None, levels=None, **kwargs):
    env = env or lines(N)
    hierarchy = Hierarchy(levels or [ConstantLevel((0.5,))], env)
    return evaluate(hierarchy, env, n_episodes, seed, **kwargs)


@pytest.mark.parametrize("n_episodes", [1, 2, 3, 7, 30])
def test_plays_exactly_as_many_episodes_in_fixed_shares(n_episodes):
    episodes = play(n_episodes)
    assert len(episodes) == n_episodes
    shares = np.bincount([e.instance for e in episodes], minlength=N)
    assert shares.max() - shares.min() <= 1 and (np.diff(shares) <= 0).all()


def test_short_episodes_do_not_count_more_often_than_long_ones():
    def with_length(length):
        return lambda: Line(lengths=(length, length + 1))

    env = SyncVectorEnv([with_length(2), with_length(20)])
    lengths = [e.length for e in play(20, env=env)]
    assert lengths.count(2) == lengths.count(20) == 10


def test_episodes_are_told_as_they_were():
    for episode in play(12):
        time = np.arange(1, episode.length + 1)
        assert episode.ret == pytest.approx((time + 0.5 * 0.5 * time).sum())
        assert episode.success_any == episode.success_last == (episode.length % 2 == 0)


@pytest.mark.parametrize(
    "levels", [[steady_level()], [steady_level(), ActionSequenceLevel(2)]]
)
def test_all_modes_play_the_same_episodes(levels):
    told = [
        sorted(play(20, env=lines(N, mode), levels=levels), key=lambda e: e.instance)
        for mode in MODES
    ]
    assert told[0] == told[1] == told[2]
    assert {e.length for e in told[0]} >= {2, 3, 4, 5}


def test_the_same_seed_plays_the_same_episodes_again():
    env = lines(N)
    levels = [RandomLevel()]
    first, other = (play(20, seed, env, levels) for seed in (7, 8))
    assert play(20, 7, env, levels) == first  # whatever was played in between
    assert play(20, 7, lines(N), levels) == first
    assert other != first


def test_training_is_left_alone():
    env = lines(N)
    hierarchy = Hierarchy([steady_level()], env)
    evaluate(hierarchy, env, 10, 0)
    assert not hierarchy.is_training and hierarchy.n_env_steps == 0
    assert len(hierarchy.levels[0].buffer) == 0


def test_a_hierarchy_in_the_middle_of_episodes_begins_anew():
    env = lines(N)
    hierarchy = Hierarchy([steady_level(), ActionSequenceLevel(3)], env)
    expected = evaluate(hierarchy, env, 6, 0)
    Life(hierarchy, lines(N, lengths=(9, 10))).live(2)
    assert evaluate(hierarchy, env, 6, 0) == expected


def test_callbacks_see_every_episode_and_every_step_as_it_was():
    seen, steps = [], []

    def on_step(obs, actions, step, playing):
        steps.append((obs, obs.copy(), step, playing.copy()))
        assert actions.shape == (N, 1)

    episodes = play(
        7, env=lines(N, copy=False), on_episode=seen.append, on_step=on_step
    )
    assert seen == episodes
    playing = np.array([p for *_, p in steps])
    assert playing.sum() == sum(e.length for e in episodes)
    for obs, then, step, playing in steps:
        np.testing.assert_array_equal(obs, then)
        time, after = obs[playing, 2], step.next_obs[playing, 2]
        np.testing.assert_array_equal(after, time + 1)


def test_instances_that_are_done_do_not_decide():
    class Recorder(RandomLevel):
        def build(self, spec):
            level = super().build(spec)
            decide = level.get_action

            def get_action(obs, level_input, instances):
                decided.extend(instances)
                return decide(obs, level_input, instances)

            level.get_action = get_action
            return level

    decided = []
    episodes = play(4, levels=[Recorder()])
    lengths = np.zeros(N, int)
    for episode in episodes:
        lengths[episode.instance] += episode.length
    np.testing.assert_array_equal(np.bincount(decided), lengths)


def test_without_word_of_success_there_is_none_in_the_summary():
    summary = summarize(play(5, env=lines(N, reports="never")))
    assert set(summary) == {"episodes", "return_mean", "length_mean"}
    assert summary["episodes"] == 5


@pytest.mark.parametrize("n_episodes", [0, -3])
def test_no_episodes_are_refused(n_episodes):
    with pytest.raises(ConfigurationError, match=f"at least 1, got {n_episodes}"):
        play(n_episodes)


def test_a_hierarchy_of_another_size_is_refused_before_anything_changes():
    hierarchy = Hierarchy([RandomLevel()], lines(2))
    with pytest.raises(ConfigurationError, match="built for 2 instances"):
        evaluate(hierarchy, lines(3), 5, 0)
    assert hierarchy.is_training


def test_other_spaces_are_refused_before_anything_changes():
    hierarchy = Hierarchy([RandomLevel()], lines(3))
    wider = lines(3, actions=spaces.Box(-2, 2, (1,), np.float32))
    with pytest.raises(SpaceError, match="was built for actions"):
        evaluate(hierarchy, wider, 5, 0)
    assert hierarchy.is_training


@pytest.mark.parametrize(
    "successes, trials, low, high",
    [
        (50, 100, 0.4038315, 0.5961685),
        (0, 20, 0.0, 0.1611252),
        (20, 20, 0.8388748, 1.0),
        (1, 1, 0.2065493, 1.0),
    ],
)
def test_wilson_interval(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=1e-6)


def test_episodes_compare_by_value():
    one = Episode(0, 3, 1.5, True, False)
    assert_same(tuple(one), (0, 3, 1.5, True, False))
