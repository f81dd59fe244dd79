import pickle

import numpy as np
import pytest
from tianshou.data import Batch

from layeredrl.errors import CheckpointError, ConfigurationError, ObservationError
from layeredrl.predictors.replay_tensors import gather_successors
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from tests.pictures import IMAGES, SHAPES, PictureFiller
from tests.stored_episodes import stored_positions

# Total sizes and rings: rings of 1, 2, 7 and 40 transitions.
SIZES = [(3, 3), (6, 3), (21, 3), (40, 1)]


def assert_same_as_stored_twice(buffer, twice):
    positions = stored_positions(buffer)
    np.testing.assert_array_equal(positions, stored_positions(twice))
    if not positions.size:
        return
    for where in (positions, np.stack([positions, positions[::-1]])):
        found = gather_successors(buffer, where)
        assert found.keys() == twice.obs_next.keys()
        for key, values in found.items():
            assert values.dtype == twice.obs_next[key].dtype
            np.testing.assert_array_equal(values, twice.obs_next[key][where], key)
    read = buffer[positions]
    for entry in ("obs", "obs_next"):
        for key, values in twice[positions][entry].items():
            np.testing.assert_array_equal(read[entry][key], values, key)


def n_runs(buffer):
    """Stretches of stored transitions, each followed by the next one's observation."""
    positions = stored_positions(buffer)
    newest = np.isin(positions, buffer.last_index)
    return int((newest | buffer.done[positions]).sum())


class TestReading:
    @pytest.mark.parametrize("sizes", SIZES, ids=str)
    @pytest.mark.parametrize("seed", range(3))
    def test_agrees_with_storing_everything_twice(self, sizes, seed):
        filler = PictureFiller(*sizes, seed=seed)
        for _ in range(120):
            filler.something_random()
            assert_same_as_stored_twice(filler.buffer, filler.twice)

    @pytest.mark.parametrize("sizes", SIZES, ids=str)
    def test_one_is_kept_per_episode_and_ring(self, sizes):
        filler = PictureFiller(*sizes, seed=4)
        for _ in range(120):
            filler.something_random()
            assert len(filler.buffer.final_frames.positions()) == n_runs(filler.buffer)

    def test_images_alone(self):
        shapes = {key: SHAPES[key] for key in IMAGES}
        filler = PictureFiller(21, 3, shapes=shapes).add(50)
        assert_same_as_stored_twice(filler.buffer, filler.twice)

    @pytest.mark.parametrize("index", [3, -1, [2, 0], slice(1, 5), np.arange(21) < 4])
    def test_indexed_as_numpy_takes_it(self, index):
        filler = PictureFiller(21, 3).add(60)
        read, expected = filler.buffer[index].obs_next, filler.twice[index].obs_next
        assert set(read.get_keys()) == set(SHAPES)
        for key in SHAPES:
            np.testing.assert_array_equal(read[key], expected[key])

    def test_hundreds_of_short_episodes(self):
        filler = PictureFiller(400, 4, p_end=1.0).add(250)
        assert len(filler.buffer.final_frames.positions()) == len(filler.buffer) == 400
        assert_same_as_stored_twice(filler.buffer, filler.twice)

    def test_what_is_read_is_a_copy(self):
        filler = PictureFiller(21, 3).add(60)
        found = gather_successors(filler.buffer, stored_positions(filler.buffer))
        for values in found.values():
            values[:] = 0
        assert_same_as_stored_twice(filler.buffer, filler.twice)


def two_steps(first_next, second, key="depth"):
    """The first transition's next image and the second one's image, in the next slot."""
    buffer = TransitionBuffer(5, 1, np.random.SeedSequence(0))
    images = [np.zeros_like(second), first_next, second, np.ones_like(second)]
    for obs, obs_next in (images[:2], images[2:]):
        other = np.zeros((1, 2, 2), np.uint8)
        buffer.add(
            Batch(
                obs={key: obs[None], "other": other},
                act=np.zeros((1, 1)),
                rew=np.zeros(1),
                terminated=np.zeros(1, bool),
                truncated=np.zeros(1, bool),
                obs_next={key: obs_next[None], "other": other},
            )
        )
    return buffer


class TestWhatIsTheSame:
    """An unannounced break between transitions is noticed by the images themselves."""

    def test_images_without_a_number_are_themselves(self):
        image = np.array([[np.nan, np.inf], [0.0, 1.0]])
        assert two_steps(image, image.copy()).final_frames.positions().tolist() == [1]

    def test_zeros_of_two_signs_are_not(self):
        minus = np.array([[-0.0, 1.0]])
        buffer = two_steps(minus, np.array([[0.0, 1.0]]))
        assert buffer.final_frames.positions().tolist() == [0, 1]
        assert np.signbit(buffer.successor_frames(np.array([0]))["depth"][0, 0, 0])

    @pytest.mark.parametrize("place", [(0, 0), (1, 1)])
    def test_one_pixel_of_one_image_is_enough(self, place):
        image = np.ones((2, 2), np.uint8)
        changed = image.copy()
        changed[place] = 2
        buffer = two_steps(changed, image)
        assert buffer.final_frames.positions().tolist() == [0, 1]
        frames = buffer.successor_frames(np.array([0]))
        np.testing.assert_array_equal(frames["depth"][0], changed)
        np.testing.assert_array_equal(frames["other"][0], 0)


class TestMemory:
    LOOKS = {"vector": ((4,), np.float32), "camera": ((16, 16, 3), np.uint8)}

    def image_bytes(self, buffer, keys=("camera",)):
        entries = [e for e in (buffer.obs, buffer.obs_next) if isinstance(e, Batch)]
        arrays = [e[key] for e in entries for key in keys if key in e.get_keys()]
        final = getattr(buffer, "final_frames", None)
        return sum(a.nbytes for a in arrays) + (final.nbytes if final else 0)

    def test_images_take_about_half(self):
        filler = PictureFiller(1200, 4, shapes=self.LOOKS, p_end=0.0)
        for step in range(700):
            filler.add_to(np.arange(4), np.full(4, step % 50 == 49))
        once, twice = (self.image_bytes(b) for b in (filler.buffer, filler.twice))
        assert twice == 2 * 1200 * 16 * 16 * 3
        assert 0.5 * twice < once < 0.53 * twice

    def test_room_is_used_again(self):
        filler = PictureFiller(40, 4, shapes=self.LOOKS, p_end=0.3).add(300)
        before = filler.buffer.final_frames.nbytes
        filler.add(700)
        # Never more than one and a half times the most that was kept at once.
        assert filler.buffer.final_frames.nbytes <= max(before, 1.5 * 41 * 768)

    def test_room_is_made_for_several_at_a_time(self):
        filler, sizes = PictureFiller(400, 4, shapes=self.LOOKS, p_end=1.0), set()
        for _ in range(250):
            sizes.add(filler.add(1).buffer.final_frames.nbytes)
        assert len(sizes) < 20

    def test_vectors_are_stored_as_ever(self):
        buffer = PictureFiller(21, 3).add(30).buffer
        assert set(buffer.obs_next.get_keys()) == {"vector"}
        assert set(buffer.final_frames.keys) == set(IMAGES)

    @pytest.mark.parametrize("dtype", [np.float32, bool, np.int64])
    def test_dicts_of_vectors_keep_nothing(self, dtype):
        shapes = {"vector": ((4,), dtype), "time": ((), np.float32)}
        filler = PictureFiller(21, 3, shapes=shapes).add(60)
        assert filler.buffer.final_frames.keys == ()
        assert_same_as_stored_twice(filler.buffer, filler.twice)


class TestMistakes:
    @pytest.fixture
    def filler(self):
        return PictureFiller(21, 3).add(30)

    def batch(self, **images):
        obs = {k: np.zeros((3, *shape), dtype) for k, (shape, dtype) in SHAPES.items()}
        flags = {"terminated": np.zeros(3, bool), "truncated": np.zeros(3, bool)}
        rest = {"act": np.zeros((3, 1)), "rew": np.zeros(3), **flags}
        info = Batch(n_env_steps=np.ones(3, int))
        return Batch(obs=obs, obs_next={**obs, **images}, info=info, **rest)

    @pytest.mark.parametrize("shape", [(3, 1, 4), (3, 3, 4, 1), (1, 3, 4)])
    def test_other_images_after_the_step_are_refused(self, filler, shape):
        before = filler.buffer.n_added.copy()
        with pytest.raises(ObservationError, match=r"'camera' .*\(3, 3, 4\) before"):
            filler.buffer.add(self.batch(camera=np.zeros(shape, np.uint8)))
        np.testing.assert_array_equal(filler.buffer.n_added, before)
        assert_same_as_stored_twice(filler.buffer, filler.twice)

    def test_missing_images_are_refused(self, filler):
        batch = self.batch()
        del batch.obs_next.__dict__["camera"]
        with pytest.raises(ObservationError, match="'camera'"):
            filler.buffer.add(batch)
        assert_same_as_stored_twice(filler.buffer, filler.twice)

    def test_without_next_observations_there_are_none(self):
        buffer, batch = TransitionBuffer(6, 3, np.random.SeedSequence(0)), self.batch()
        del batch.__dict__["obs_next"]
        buffer.add(batch)
        assert len(buffer) == 3
        with pytest.raises(ConfigurationError, match="no next observations"):
            gather_successors(buffer, np.zeros(1, int))

    def test_the_batch_stays_whole(self, filler):
        batch = self.batch()
        filler.buffer.add(batch)
        assert set(batch.obs_next.get_keys()) == set(SHAPES)

    def test_other_types_after_the_step_are_cast(self):
        buffer = TransitionBuffer(6, 3, np.random.SeedSequence(0))
        for _ in range(2):
            buffer.add(self.batch(camera=np.full((3, 3, 4), 7.0)))
        camera = buffer[stored_positions(buffer)].obs_next.camera
        assert camera.dtype == np.uint8 and (camera == 7).all()


class TestState:
    @pytest.fixture(params=[4, 60], ids=["started", "wrapped"])
    def filler(self, request):
        return PictureFiller(21, 3, seed=1, p_end=0.3).add(request.param)

    def restored(self, filler, folder, into=None):
        save_checkpoint(folder / "buffer", "buffer", filler.buffer.state_dict())
        loaded = into or TransitionBuffer(21, 3, np.random.SeedSequence(9))
        loaded.load_state_dict(load_checkpoint(folder / "buffer", "buffer"))
        return loaded

    def test_comes_back_and_goes_on(self, filler, tmp_path):
        filler.buffer = self.restored(filler, tmp_path)
        for _ in range(60):
            assert_same_as_stored_twice(filler.buffer, filler.twice)
            assert len(filler.buffer.final_frames.positions()) == n_runs(filler.buffer)
            filler.something_random()

    def test_what_was_restored_is_saved_the_same(self, filler, tmp_path):
        states = (
            filler.buffer.state_dict(),
            self.restored(filler, tmp_path).state_dict(),
        )
        assert states[0]["rings"] == states[1]["rings"]
        frames = [state["final_frames"] for state in states]
        np.testing.assert_array_equal(*(part["positions"] for part in frames))
        for key in IMAGES:
            np.testing.assert_array_equal(*(part["images"][key] for part in frames))

    def test_nothing_is_left_of_what_was_there(self, filler, tmp_path):
        other = PictureFiller(21, 3, seed=2, p_end=0.9).add(60).buffer
        loaded = self.restored(filler, tmp_path, into=other)
        assert_same_as_stored_twice(loaded, filler.twice)
        assert len(loaded.final_frames.positions()) == n_runs(loaded)

    def test_the_state_is_a_copy(self, filler):
        state = filler.buffer.state_dict()["final_frames"]
        before = pickle.dumps(state)
        filler.add(60)
        assert pickle.dumps(state) == before

    def test_an_empty_buffer_forgets_images(self, filler):
        filler.buffer.load_state_dict(PictureFiller(21, 3).buffer.state_dict())
        assert filler.buffer.final_frames.keys == ()

    @pytest.mark.parametrize("shape", [(3, 5), (3, 4, 1)])
    def test_other_images_are_refused_and_nothing_changes(self, filler, shape):
        shapes = {**SHAPES, "camera": (shape, np.uint8)}
        other = PictureFiller(21, 3, shapes=shapes).add(30)
        with pytest.raises(CheckpointError, match="camera"):
            filler.buffer.load_state_dict(other.buffer.state_dict())
        assert_same_as_stored_twice(filler.buffer, filler.twice)

    def test_pickles(self, filler):
        copied = pickle.loads(pickle.dumps(filler.buffer))
        assert_same_as_stored_twice(copied, filler.twice)
