import dataclasses

import numpy as np
import pytest

from layeredrl.diagnostics import typical_change, windows_of
from layeredrl.errors import ConfigurationError
from tests.diagnostics.worlds import noisy_recording


def test_windows_stay_within_their_episode():
    recording = noisy_recording(n_episodes=2, length=3)
    windows = windows_of(recording, 4)
    assert windows.start.tolist() == list(range(6))
    assert windows.is_valid.sum(1).tolist() == [3, 2, 1, 3, 2, 1]
    assert np.array_equal(windows.achieved[0, :3], recording.reached[:3])
    assert np.isnan(windows.achieved[1, 2:]).all()
    assert np.array_equal(windows.action[3, :3], recording.action[3:])
    assert (windows.action[2, 1:] == 0).all()


def test_nothing_is_known_beyond_decisions_that_were_cut_or_lead_nowhere():
    recording = noisy_recording(n_episodes=2, length=3)
    recording.is_cut[2] = True
    recording.reached[4] = np.nan
    windows = windows_of(recording, 3)
    assert windows.start.tolist() == [0, 1, 3, 5]
    assert windows.is_valid.sum(1).tolist() == [2, 1, 1, 1]


def test_some_windows_are_drawn():
    recording = noisy_recording(n_episodes=10, length=3)
    drawn = [
        windows_of(recording, 2, 7, np.random.default_rng(seed)).start
        for seed in (0, 0, 1)
    ]
    assert len(set(drawn[0])) == 7 and (np.diff(drawn[0]) > 0).all()
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    with pytest.raises(ConfigurationError, match="generator"):
        windows_of(recording, 2, 7)


def test_mistakes_are_named():
    recording = noisy_recording(n_episodes=2)
    with pytest.raises(ConfigurationError, match="got 0"):
        windows_of(recording, 0)
    nowhere = dataclasses.replace(recording, is_cut=np.ones(len(recording), bool))
    with pytest.raises(ConfigurationError, match="none of 8 decisions"):
        windows_of(nowhere, 1)


def test_the_typical_change_is_a_root_mean_square_per_feature():
    recording = noisy_recording(n_episodes=1, length=3)
    recording.state[:] = 0.0
    recording.reached[:] = [[1.0, 0.0], [2.0, 0.0], [7.0, 0.0]]
    recording.is_cut[2] = True
    size = typical_change(recording)
    assert size[0] == pytest.approx(np.sqrt(2.5))
    assert np.isnan(size[1])
    recording.is_cut[:] = True
    assert np.isnan(typical_change(recording)).all()
