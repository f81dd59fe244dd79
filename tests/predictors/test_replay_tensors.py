import numpy as np
import pytest
import torch
from tianshou.data import Batch, ReplayBuffer, VectorReplayBuffer

from layeredrl.errors import ConfigurationError
from layeredrl.predictors.replay_tensors import (
    as_batch,
    as_observation,
    gather_successors,
    gather_trajectories,
    info_array,
    observation_rows,
    observation_tensors,
    tensor,
)
from layeredrl.utils.partial_trajectories import draw_partial_trajectories
from tests.toys import random_buffer

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.float64, torch.float32),
        (np.float32, torch.float32),
        (np.int64, torch.int64),
        (np.uint8, torch.uint8),
        (bool, torch.bool),
    ],
)
def test_only_float64_is_cast(dtype, expected):
    assert tensor(np.ones((2, 3), dtype), CPU).dtype == expected


@pytest.fixture
def pixels():
    """Two rings of observations with a vector part and pictures."""
    buffer, rng = VectorReplayBuffer(20, 2), np.random.default_rng(0)

    def obs():
        image = rng.integers(0, 255, (2, 4, 4)).astype(np.uint8)
        return {"vector": rng.normal(size=(2, 3)).astype(np.float32), "image": image}

    for step in range(13):
        ends = np.full(2, step % 4 == 3)
        buffer.add(
            Batch(
                obs=obs(),
                act=np.zeros((2, 1)),
                rew=np.zeros(2),
                terminated=ends,
                truncated=~ends & False,
                obs_next=obs(),
                info=Batch(),
            )
        )
    return buffer


def test_pictures_stay_apart(pixels):
    indices, valid = draw_partial_trajectories(pixels, 30, 5)
    found = gather_trajectories(pixels, indices, valid, CPU)
    assert found["vector"].shape == (30, 6, 3) and found["image"].shape == (30, 6, 4, 4)
    assert found["image"].dtype == torch.uint8
    for row in range(30):
        length = valid[row]
        for key in ("vector", "image"):
            stored = pixels.obs[key][indices[:length, row]]
            np.testing.assert_array_equal(found[key][row, :length], stored)
            final = pixels.obs_next[key][indices[-1, row]]
            np.testing.assert_array_equal(found[key][row, length:][0], final)
    part = observation_rows(found, slice(2, 5))
    assert torch.equal(part["image"], found["image"][2:5])
    single = observation_tensors(gather_successors(pixels, np.array([3, 1])), CPU)
    assert isinstance(single["image"], torch.Tensor)
    np.testing.assert_array_equal(single["image"], pixels.obs_next["image"][[3, 1]])


def test_infos_are_read_where_they_exist():
    buffer = random_buffer()
    indices = np.array([[0, 2], [1, 3]])
    np.testing.assert_array_equal(
        info_array(buffer, "n_env_steps", indices), buffer.info["n_env_steps"][indices]
    )
    assert info_array(buffer, "unheard_of", indices) is None
    assert info_array(random_buffer(infos=False), "n_env_steps", indices) is None


def test_a_buffer_without_successors_is_named():
    buffer = ReplayBuffer(5, ignore_obs_next=True)
    step = {"obs": np.zeros(2), "act": np.zeros(1), "rew": 0.0, "info": {}}
    buffer.add(Batch(**step, terminated=False, truncated=False, obs_next=np.zeros(2)))
    with pytest.raises(ConfigurationError, match="no next observations"):
        gather_successors(buffer, np.zeros(1, int))


def test_batches_hold_what_they_are_given():
    x, index = torch.zeros(2, 3), np.zeros(2, int)
    batch = as_batch({"obs": {"vector": x}, "index": index})
    assert batch.obs.vector is x and batch.index is index
    assert as_observation(batch.obs) == {"vector": x}
    assert as_observation(x) is x
