import json
import os

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from layeredrl.collectors import MetricsLog
from layeredrl.errors import RunFolderError


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path, metrics, step=1):
    with MetricsLog(path) as log:
        log.write(step, metrics)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def test_every_line_is_whole_when_it_is_written(path):
    with MetricsLog(path) as log:
        for step in range(5):
            log.write(step, {"train/return": step * 0.5})
            lines = read(path)  # while the log is open
            assert len(lines) == step + 1 and path.read_bytes().endswith(b"\n")
            assert lines[-1]["env_steps"] == step
            assert lines[-1]["train/return"] == step / 2
            assert lines[-1]["wall_s"] >= 0


def test_appends_to_what_is_there(path):
    for step in (1, 2):
        write(path, {"x": 1.0}, step)
    assert [line["env_steps"] for line in read(path)] == [1, 2]


def test_a_line_that_was_cut_off_by_a_kill_is_removed(path):
    path.write_text('{"env_steps": 1}\n{"env_st')
    write(path, {"x": 1.0}, 2)
    assert [line["env_steps"] for line in read(path)] == [1, 2]


def test_takes_numbers_of_all_kinds(path):
    metrics = {"a": np.float32(0.5), "b": torch.tensor(2.0), "c": True, "d": 3}
    write(path, metrics)
    line = read(path)[0]
    assert [line[key] for key in "abcd"] == [0.5, 2.0, 1.0, 3.0]


def test_numbers_that_are_not_finite_are_null_in_strict_json(path):
    write(path, {"a": float("nan"), "b": float("inf"), "c": 1.0})
    text = path.read_text()
    assert "NaN" not in text and "Infinity" not in text
    assert read(path)[0]["a"] is None and read(path)[0]["b"] is None


def test_no_metrics_are_no_line(path):
    write(path, {})
    assert path.read_text() == ""


def test_tensorboard_shows_the_same_numbers(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        log = MetricsLog(writer=writer)
        for step in (10, 20):
            log.write(step, {"train/return": step * 0.5, "test/success": 1.0})
        log.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"train/return", "test/success"}
    values = [(e.step, e.value) for e in events.Scalars("train/return")]
    assert values == [(10, 5.0), (20, 10.0)]


def test_without_file_and_writer_nothing_happens():
    write(None, {"x": 1.0})


@pytest.mark.parametrize("where", ["missing/metrics.jsonl", "folder", "file/metrics"])
def test_a_path_that_cannot_be_written_is_refused(tmp_path, where):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunFolderError, match="cannot write metrics to"):
        MetricsLog(tmp_path / where)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_device_is_named():
    with pytest.raises(RunFolderError, match="cannot write metrics: .*space"):
        write("/dev/full", {"x": 1.0})


class FullDisk:
    """A file on a disk with room for so many bytes more."""

    def __init__(self, file, room):
        self._file, self._room = file, room

    def write(self, data):
        if self._room == 0:
            raise OSError(28, "No space left on device")
        n = self._file.write(data[: self._room])
        self._room -= n
        return n

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.mark.parametrize("room", [0, 1, 20])
def test_a_full_disk_leaves_whole_lines_and_the_log_goes_on_when_there_is_room(
    path, room
):
    log = MetricsLog(path)
    log.write(1, {"x": 1.0})
    file = log._file
    log._file = FullDisk(file, room)
    with pytest.raises(RunFolderError, match="cannot write metrics"):
        log.write(2, {"x": 2.0})
    assert [line["env_steps"] for line in read(path)] == [1]
    log._file = file
    log.write(3, {"x": 3.0})
    assert [line["env_steps"] for line in read(path)] == [1, 3]
    log.close()


def test_tensorboard_groups_by_level_and_part(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        log = MetricsLog(writer=writer)
        samples = {"level0/decision/feature_0": np.linspace(-1.0, 1.0, 50)}
        log.write(
            7, {"level0/predictor/nll": 1.0, "test/success": 0.5, "x": 0.0}, samples
        )
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    tags = events.Tags()
    assert set(tags["scalars"]) == {"level0.predictor/nll", "test/success", "x"}
    assert tags["histograms"] == ["level0.decision/feature_0"]
    histogram = events.Histograms("level0.decision/feature_0")[0]
    assert histogram.step == 7 and histogram.histogram_value.num == 50
