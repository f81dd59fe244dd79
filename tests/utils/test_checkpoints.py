import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from layeredrl.errors import CheckpointError
from layeredrl.utils import checkpoints
from layeredrl.utils.checkpoints import (
    load_checkpoint,
    save_checkpoint,
    to_array,
    to_plain,
)
from tests.ids import stable

CONTENT = {
    "tensor": torch.arange(6.0).reshape(2, 3),
    "array": np.arange(4, dtype=np.int16),
    "nested": {"list": [1, 2.5, "three", None, True], "tuple": (1, np.float32(0.5))},
    1: np.bool_(True),
    "big": 2**127,
}


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "deep" / "folder" / "file.pt"
    save_checkpoint(file, "thing", CONTENT)
    return file


def test_content_comes_back(path):
    content = load_checkpoint(path, "thing")
    assert torch.equal(content["tensor"], CONTENT["tensor"])
    assert content["array"].dtype == torch.int16
    assert content["nested"] == {
        "list": [1, 2.5, "three", None, True],
        "tuple": [1, 0.5],
    }
    assert content[1] is True and content["big"] == 2**127


def test_nothing_but_the_file_is_left_behind(path):
    assert os.listdir(path.parent) == ["file.pt"]


@pytest.mark.parametrize(
    "array",
    [
        np.array(3.0),
        np.zeros((0, 3), np.float32),
        np.arange(6.0).reshape(2, 3).T,
        np.arange(6)[::-2],
        np.arange(3, dtype=">i4"),
        np.array([True, False]),
        np.frombuffer(b"1234", dtype=np.uint8),  # read-only
    ],
    ids=stable,
)
def test_all_arrays_of_numbers_survive(array):
    tensor = to_plain(array)
    back = to_array(tensor)
    assert back.shape == array.shape
    assert back.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, array)


def test_arrays_come_back_as_copies():
    tensor = torch.zeros(3)
    array = to_array(tensor)
    array += 1
    assert tensor.sum() == 0
    assert to_array([1, 2]).tolist() == [1, 2] and to_array(np.float64(2.0)) == 2.0


@pytest.mark.parametrize(
    "value",
    [
        np.array([None, 1]),
        np.array(["text"]),
        np.random.SeedSequence(0),
        object(),
        {1, 2},
        Path("x"),
    ],
    ids=stable,
)
def test_what_could_not_be_read_again_is_not_written(path, value):
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="checkpoints hold"):
        save_checkpoint(path, "thing", {"deep": [{"value": value}]})
    assert path.read_bytes() == before


def test_parameters_are_written_without_their_graph(path):
    save_checkpoint(path, "thing", {"p": torch.nn.Parameter(torch.ones(2))})
    assert not load_checkpoint(path, "thing")["p"].requires_grad


def test_a_file_truncated_anywhere_is_refused(path, tmp_path):
    save_checkpoint(path, "thing", {"a": torch.ones(1)})
    whole = path.read_bytes()
    cut = tmp_path / "cut"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="truncated"):
            load_checkpoint(cut, "thing")


def test_damaged_bytes_never_raise_anything_else(path, tmp_path):
    whole = path.read_bytes()
    damaged = tmp_path / "damaged"
    refused = 0
    for position in range(0, len(whole), 9):
        data = bytearray(whole)
        data[position] ^= 0x5A
        damaged.write_bytes(data)
        try:
            load_checkpoint(damaged, "thing")
        except CheckpointError:
            refused += 1
    assert refused > 40


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint at .*nowhere"):
        load_checkpoint(tmp_path / "nowhere", "thing")


class Evil:
    """Creates a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [pickle.dump, torch.save])
def test_a_foreign_pickle_is_refused_and_not_run(tmp_path, write):
    file, trace = tmp_path / "foreign", tmp_path / "trace"
    with open(file, "wb") as stream:
        write(Evil(trace), stream)
    with pytest.raises(CheckpointError, match="not a checkpoint of ours"):
        load_checkpoint(file, "thing")
    assert not trace.exists()


@pytest.mark.parametrize(
    "raw",
    [
        [1, 2],
        {"weights": torch.ones(2)},
        {"header": 3, "content": {}},
        {"header": {"format": checkpoints.FORMAT}, "content": {}},
        {
            "header": {
                "format": "other",
                "format_version": 1,
                "kind": "thing",
                "package_version": "1",
            },
            "content": {},
        },
    ],
)
def test_torch_files_of_others_are_refused(tmp_path, raw):
    torch.save(raw, tmp_path / "other")
    with pytest.raises(CheckpointError, match="not written by layeredrl"):
        load_checkpoint(tmp_path / "other", "thing")


def test_a_newer_format_is_refused(path, monkeypatch):
    monkeypatch.setattr(checkpoints, "FORMAT_VERSION", checkpoints.FORMAT_VERSION + 1)
    save_checkpoint(path, "thing", CONTENT)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="reads up to format 1"):
        load_checkpoint(path, "thing")


def test_another_kind_is_refused(path):
    with pytest.raises(CheckpointError, match="holds a 'thing', expected 'agent'"):
        load_checkpoint(path, "agent")


def test_a_failing_write_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()

    def full_disk(content, file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(CheckpointError, match="No space left"):
        save_checkpoint(path, "thing", {})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["file.pt"]


def test_a_failing_replacement_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()

    def refused(source, target):
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(CheckpointError, match="Permission denied"):
        save_checkpoint(path, "thing", {"new": 1})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["file.pt"]


def test_the_file_appears_only_when_it_is_whole(path, monkeypatch):
    real_save, seen = torch.save, []

    def watched(content, file):
        seen.append(load_checkpoint(path, "thing").keys())
        real_save(content, file)

    monkeypatch.setattr(torch, "save", watched)
    save_checkpoint(path, "thing", {"new": 1})
    assert seen == [CONTENT.keys()]
    assert load_checkpoint(path, "thing") == {"new": 1}


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot write .*thing.pt"):
        save_checkpoint(tmp_path / "file" / "thing.pt", "thing", {})
    (tmp_path / "thing.pt").mkdir()
    with pytest.raises(CheckpointError, match="cannot write"):
        save_checkpoint(tmp_path / "thing.pt", "thing", {})
    assert sorted(os.listdir(tmp_path)) == ["file", "thing.pt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_forbidden_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(CheckpointError, match="cannot write"):
        save_checkpoint(tmp_path / "thing.pt", "thing", {})
