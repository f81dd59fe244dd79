import numpy as np
import pytest

from layeredrl.collectors import Episode, EpisodeTracker, Step, summarize
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint

YES, NO = True, False


def step(reward, success=None, terminated=None, truncated=None, taken=None):
    n = len(reward)
    return Step(
        next_obs=None,
        reward=np.array(reward, float),
        terminated=np.array(terminated or [NO] * n),
        truncated=np.array(truncated or [NO] * n),
        success=None if success is None else np.array(success),
        taken=np.array(taken or [YES] * n),
    )


def test_adds_up_each_instances_episode_by_itself():
    tracker = EpisodeTracker(2)
    assert tracker.add(step([1, 10], [NO, YES])) == []
    assert tracker.add(step([2, 20], [NO, NO], truncated=[NO, YES])) == [
        Episode(1, 2, 30.0, success_any=True, success_last=False)
    ]
    assert tracker.add(step([4, 5], [YES, NO], [YES, NO], [NO, YES])) == [
        Episode(0, 3, 7.0, success_any=True, success_last=True),
        Episode(1, 1, 5.0, success_any=False, success_last=False),
    ]


def test_steps_that_are_not_taken_count_nowhere():
    tracker = EpisodeTracker(1)
    tracker.add(step([1], [NO]))
    assert tracker.add(step([100], [YES], truncated=[YES], taken=[NO])) == []
    (episode,) = tracker.add(step([2], [NO], terminated=[YES]))
    assert episode == Episode(0, 2, 3.0, False, False)


def test_silence_about_success_is_no_failure():
    tracker = EpisodeTracker(1)
    tracker.add(step([1]))
    (episode,) = tracker.add(step([1], truncated=[YES]))
    assert episode.success_any is None and episode.success_last is None
    assert "success_any" not in summarize([episode])


def test_silence_at_the_last_step_only_is_a_failure_there():
    tracker = EpisodeTracker(1)
    tracker.add(step([1], [YES]))
    (episode,) = tracker.add(step([1], truncated=[YES]))
    assert episode.success_any is True and episode.success_last is False
    (silent,) = tracker.add(step([1], truncated=[YES]))
    assert silent.success_any is None  # what was known does not linger


def test_an_environment_that_only_reports_successes_has_a_rate():
    said = Episode(0, 1, 1.0, True, True)
    silent = Episode(0, 1, 1.0, None, None)
    for episodes in ([said, silent, silent, silent], [silent, silent, silent, said]):
        summary = summarize(episodes)
        assert summary["success_any"] == summary["success_last"] == 0.25


def test_averages_over_episodes():
    episodes = [Episode(0, 2, 1.0, True, False), Episode(1, 4, 4.0, True, True)]
    assert summarize(episodes) == {
        "episodes": 2.0,
        "return_mean": 2.5,
        "length_mean": 3.0,
        "success_any": 1.0,
        "success_last": 0.5,
    }
    assert summarize([]) == {}


@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_file_keeps_running_episodes(before, tmp_path):
    tracker, other = EpisodeTracker(2), EpisodeTracker(2)
    for _ in range(before):
        tracker.add(step([1, 2], [YES, NO]))
    save_checkpoint(tmp_path / "tracker.pt", "tracker", tracker.state_dict())
    other.load_state_dict(load_checkpoint(tmp_path / "tracker.pt", "tracker"))
    last = step([1, 2], truncated=[YES, YES])
    assert tracker.add(last) == other.add(last)
