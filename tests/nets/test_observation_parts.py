import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import SpaceError
from layeredrl.nets.observation_parts import ObservationParts
from layeredrl.utils.mapped_observations import vector_part
from layeredrl.utils.spaces import ObservationLayout
from tests.nets.backbones import NESTED, SIGHT
from tests.toys import unbounded


def parts_of(space):
    return ObservationParts(space, ObservationLayout.of(space).shape)


def flattened(space, n=2):
    samples = [space.sample() for _ in range(n)]
    vector = np.stack([spaces.flatten(space, sample) for sample in samples])
    return samples, torch.from_numpy(vector.astype(np.float32))


def test_parts_of_nested_dicts_are_dotted_paths():
    parts = parts_of(NESTED)
    shapes = {name: space.shape for name, space in parts.space.items()}
    assert shapes == {"goal.kettle": (2,), "goal.light": (1,), "place": (2,)}
    samples, vector = flattened(NESTED)
    split = parts.split(vector.unsqueeze(1))
    for i, sample in enumerate(samples):
        np.testing.assert_allclose(split["goal.kettle"][i, 0], sample["goal"]["kettle"])
        np.testing.assert_allclose(split["goal.light"][i, 0], sample["goal"]["light"])
        np.testing.assert_allclose(split["place"][i, 0], sample["place"])


def test_splitting_copies_nothing():
    parts, vector = parts_of(NESTED), torch.randn(2, 3, 5)
    for part in parts.split(vector).values():
        assert part.untyped_storage().data_ptr() == vector.untyped_storage().data_ptr()


def test_images_stay_as_they_are():
    parts = parts_of(SIGHT)
    assert parts.space["camera"].dtype == np.uint8
    assert parts.space["camera"].shape == (8, 8, 3)
    camera = torch.randint(0, 256, (2, 4, 8, 8, 3), dtype=torch.uint8)
    obs = {"vector": torch.randn(2, 4, 2), "camera": camera}
    split = parts.split(obs)
    assert split.keys() == {"camera", "state"}
    assert split["camera"] is camera
    assert torch.equal(split["state"], obs["vector"])
    assert vector_part(obs) is obs["vector"] and vector_part(camera) is camera


@pytest.mark.parametrize(
    "space", [unbounded(3), spaces.Box(0, 255, (4, 4, 3), np.uint8), spaces.Discrete(3)]
)
def test_what_is_no_dict_is_called_observation(space):
    parts = parts_of(space)
    assert list(parts.space) == ["observation"]
    image = torch.zeros(1, 4, 4, 3, dtype=torch.uint8)
    is_image = len(space.shape) == 3
    obs = {"vector": torch.zeros(1, 0), "": image} if is_image else torch.zeros(1, 3)
    split = parts.split(obs)
    assert list(split) == ["observation"]
    assert split["observation"].shape == (1, *parts.space["observation"].shape)


def test_columns_of_parts_and_of_dicts_above_them():
    parts = parts_of(NESTED)
    assert parts.columns_of(["place", "goal"]).tolist() == [3, 4, 0, 1, 2]
    assert parts.columns_of(["goal.light"]).tolist() == [2]
    none = parts.columns_of([])
    assert none.shape == (0,) and none.dtype == torch.int64
    with pytest.raises(SpaceError, match="no observation key 'goal.li'"):
        parts.columns_of(["place", "goal.li"])


@pytest.mark.parametrize(
    "space, shape",
    [
        (NESTED, (4,)),
        (NESTED, {"vector": (5,)}),
        (SIGHT, (2,)),
        (SIGHT, {"vector": (2,), "camera": (8, 8, 1)}),
        (SIGHT, {"vector": (2,), "eye": (8, 8, 3)}),
    ],
    ids=str,
)
def test_another_shape_is_named(space, shape):
    with pytest.raises(SpaceError) as raised:
        ObservationParts(space, shape)
    assert str(shape) in str(raised.value)
    assert str(ObservationLayout.of(space).shape) in str(raised.value)
    assert "observation map" in str(raised.value)
