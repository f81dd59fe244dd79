import numpy as np
import pytest
from tianshou.data import Batch

from layeredrl.errors import CheckpointError
from layeredrl.utils.buffers import TransitionBuffer
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.replay_archive import ReplayArchive
from tests.pictures import PictureFiller
from tests.stored_episodes import stored_positions

RINGS, SIZE = 3, 24


def empty():
    return TransitionBuffer(SIZE, RINGS, np.random.SeedSequence(0))


def add(buffer, n, generator):
    for _ in range(n):
        rings = np.flatnonzero(generator.random(RINGS) < 0.7)
        if rings.size == 0:
            continue
        k = len(rings)
        batch = Batch(
            obs=generator.random((k, 2), dtype=np.float32),
            act=generator.random((k, 1), dtype=np.float32),
            rew=generator.random(k),
            terminated=generator.random(k) < 0.1,
            truncated=generator.random(k) < 0.1,
            obs_next=generator.random((k, 2), dtype=np.float32),
            info=Batch(n_env_steps=np.ones(k, np.int64)),
        )
        buffer.add(batch, buffer_ids=rings)


def assert_equal(a, b):
    assert len(a) == len(b)
    assert np.array_equal(a.n_added, b.n_added)
    if len(a):
        stored = a.sample_indices(0)
        assert np.array_equal(stored, b.sample_indices(0))
        for key in ("obs", "act", "rew", "terminated", "truncated", "done", "obs_next"):
            assert np.array_equal(getattr(a, key)[stored], getattr(b, key)[stored]), key
        assert np.array_equal(a.info.n_env_steps[stored], b.info.n_env_steps[stored])
        assert np.array_equal(a.next(stored), b.next(stored))
    assert a.generator.integers(1000) == b.generator.integers(1000)


@pytest.mark.parametrize("n_between", [0, 1, 5, 8, 40])
def test_saving_again_and_again(n_between, tmp_path):
    generator = np.random.default_rng(n_between)
    buffer, archive, manifest = empty(), ReplayArchive(tmp_path, "x"), None
    for i in range(8):
        add(buffer, n_between, generator)
        if len(buffer) and i % 3 == 2:
            buffer.cut_episodes(np.arange(RINGS))
        manifest = archive.save(buffer, manifest)
        save_checkpoint(tmp_path / "manifest.pt", "manifest", manifest)
        other = empty()
        ReplayArchive(tmp_path, "x").load(
            other, load_checkpoint(tmp_path / "manifest.pt", "manifest")
        )
        assert_equal(buffer, other)
        archive.prune([manifest])
        add(other, 3, np.random.default_rng(1))  # what was loaded can go on


class TestPictures:
    @pytest.mark.parametrize("n_between", [0, 1, 5, 8, 40])
    @pytest.mark.parametrize("size", [3, 6, 24])
    def test_saving_again_and_again(self, size, n_between, tmp_path):
        filler = PictureFiller(size, RINGS, seed=n_between, p_end=0.3)
        archive, manifest = ReplayArchive(tmp_path, "x"), None
        for _ in range(8):
            for _ in range(n_between):
                filler.something_random()
            manifest = archive.save(filler.buffer, manifest)
            save_checkpoint(tmp_path / "manifest.pt", "manifest", manifest)
            archive.prune([manifest])
            other = TransitionBuffer(size, RINGS, np.random.SeedSequence(0))
            ReplayArchive(tmp_path, "x").load(
                other, load_checkpoint(tmp_path / "manifest.pt", "manifest")
            )
            positions = stored_positions(filler.buffer)
            np.testing.assert_array_equal(stored_positions(other), positions)
            for one in (filler.buffer, other) if positions.size else ():
                found, expected = one[positions], filler.twice[positions]
                for entry in ("obs", "obs_next"):
                    assert found[entry].get_keys() == expected[entry].get_keys()
                    for key, values in expected[entry].items():
                        np.testing.assert_array_equal(found[entry][key], values, key)
            ours, theirs = (b.final_frames.positions() for b in (filler.buffer, other))
            np.testing.assert_array_equal(ours, theirs)
            filler.buffer = other  # what was loaded goes on

    def test_only_what_is_new_is_written(self, tmp_path):
        shapes = {"camera": ((32, 32, 3), np.uint8)}
        filler = PictureFiller(900, RINGS, shapes=shapes, p_end=0.1).add(400)
        archive = ReplayArchive(tmp_path, "x")
        manifest = archive.save(filler.buffer, None)
        n_before = filler.buffer.n_added.sum()
        filler.add(20)
        n_new = filler.buffer.n_added.sum() - n_before
        manifest = archive.save(filler.buffer, manifest)
        n_images = (tmp_path / "x-000002.pt").stat().st_size / (32 * 32 * 3)
        assert n_new < n_images < 1.5 * n_new
        save_checkpoint(tmp_path / "manifest.pt", "manifest", manifest)
        assert (tmp_path / "manifest.pt").stat().st_size < 10 * 32 * 32 * 3
        assert len(filler.buffer.final_frames.positions()) > 50


def test_only_what_is_new_is_written(tmp_path):
    generator = np.random.default_rng(0)
    buffer, archive = TransitionBuffer(30_000, 3, np.random.SeedSequence(0)), None
    archive = ReplayArchive(tmp_path, "x")
    add(buffer, 2000, generator)
    manifest = archive.save(buffer, None)
    first = (tmp_path / "x-000001.pt").stat().st_size
    add(buffer, 20, generator)
    manifest = archive.save(buffer, manifest)
    assert (tmp_path / "x-000002.pt").stat().st_size < first / 10
    same = archive.save(buffer, manifest)
    assert [c["name"] for c in same["chunks"]] == [
        c["name"] for c in manifest["chunks"]
    ]
    assert len(list(tmp_path.glob("*.pt"))) == 2


def test_overwritten_chunks_are_dropped(tmp_path):
    generator = np.random.default_rng(0)
    buffer, archive, manifest = empty(), ReplayArchive(tmp_path, "x"), None
    for _ in range(20):
        add(buffer, 5, generator)
        manifest = archive.save(buffer, manifest)
        archive.prune([manifest])
    assert len(list(tmp_path.glob("x-*.pt"))) <= 5


def test_a_missing_chunk_is_named(tmp_path):
    buffer, archive = empty(), ReplayArchive(tmp_path, "x")
    add(buffer, 5, np.random.default_rng(0))
    manifest = archive.save(buffer, None)
    (tmp_path / "x-000001.pt").unlink()
    with pytest.raises(CheckpointError, match="x-000001"):
        archive.load(empty(), manifest)


def test_chunks_of_another_run_are_refused(tmp_path):
    buffer, archive = empty(), ReplayArchive(tmp_path, "x")
    add(buffer, 5, np.random.default_rng(0))
    manifest = archive.save(buffer, None)
    other = empty()
    add(other, 3, np.random.default_rng(1))
    archive.save(other, None)
    with pytest.raises(CheckpointError, match="another run"):
        archive.load(empty(), manifest)


def test_another_size_is_refused(tmp_path):
    buffer, archive = empty(), ReplayArchive(tmp_path, "x")
    add(buffer, 5, np.random.default_rng(0))
    manifest = archive.save(buffer, None)
    with pytest.raises(CheckpointError, match="rings"):
        archive.load(TransitionBuffer(60, 3, np.random.SeedSequence(0)), manifest)
