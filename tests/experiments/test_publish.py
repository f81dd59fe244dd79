import json
import sys

import pytest

from experiments import publish
from experiments.publish import figure_of, page_of, portable
from experiments.running.past_runs import read_past_run
from layeredrl.errors import ConfigurationError, RunFolderError
from tests.experiments.past_run_folders import make_past_run


@pytest.mark.parametrize("success", [0.75, None])
def test_every_seed_is_shown_with_its_command(tmp_path, success):
    folders = [
        make_past_run(tmp_path / str(s), s, success, command=f"python --seed {s}")
        for s in range(2)
    ]
    runs = [read_past_run(folder) for folder in folders]
    page = page_of("some", runs)
    for seed in range(2):
        assert f"| {seed} |" in page and f"--seed {seed}" in page
    assert ("0.05" in page) == (success is not None)
    lines = figure_of(runs).axes[0].get_lines()
    assert len(lines) == 2 * 2 + 1
    scale = 10.0 if success is None else 1.0
    assert lines[0].get_ydata().tolist() == [0.1 * scale, 0.5 * scale]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("--run-dir /tmp/x/runs/S1", "--run-dir runs/S1"),
        ("--run-dir=/tmp/runs/x/runs/S1/seed0", "--run-dir=runs/S1/seed0"),
        ("--run-dir /tmp/S1", "--run-dir runs/S1"),
        ("--gin /home/me/my.gin 'A.b=(1, 2)'", "--gin my.gin 'A.b=(1, 2)'"),
        ("--run-dir runs/S1 --gin A/b.c=1", "--run-dir runs/S1 --gin A/b.c=1"),
        ("--gin it's", "--gin it's"),  # as older runs wrote it
    ],
)
def test_commands_name_no_place_of_one_machine(given, shown):
    assert portable(f"python {given}") == f"python {shown}"


def published(monkeypatch, tmp_path, *folders):
    words = [*map(str, folders), "--name", "some", "--output", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["publish", *words])
    publish.run()
    return tmp_path / "out" / "some"


def test_what_is_written_names_no_place_either(tmp_path, monkeypatch, capsys):
    command = "python -m experiments.flat --run-dir /tmp/x/runs/S1"
    folder = make_past_run(tmp_path / "run", 3, 0.5, command=command)
    target = published(monkeypatch, tmp_path, folder)
    assert "--run-dir runs/S1\n" in (target / "index.md").read_text()
    own = json.loads((folder / "result.json").read_text())
    told = json.loads((target / "seed3.json").read_text())
    assert told.pop("command").endswith("--run-dir runs/S1")
    assert told == {name: own[name] for name in told} and len(told) == len(own) - 1
    assert (target / "some.png").stat().st_size > 5000
    assert str(target / "index.md") in capsys.readouterr().out


def test_a_seed_that_is_there_twice_is_named(tmp_path, monkeypatch):
    folders = [make_past_run(tmp_path / name, 0, 0.5) for name in "ab"]
    with pytest.raises(ConfigurationError, match="seed 0 is there twice"):
        published(monkeypatch, tmp_path, *folders)
    assert not (tmp_path / "out").exists()


def test_tasks_are_not_mixed(tmp_path, monkeypatch):
    folders = [
        make_past_run(tmp_path / "a", 0, 0.5),
        make_past_run(tmp_path / "b", 1, 0.5, env_id="Other-v0"),
    ]
    with pytest.raises(ConfigurationError, match="2 tasks.*Some-v0 in"):
        published(monkeypatch, tmp_path, *folders)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "out").touch()
    with pytest.raises(RunFolderError, match="cannot write to"):
        published(monkeypatch, tmp_path, make_past_run(tmp_path / "a", 0, 0.5))
