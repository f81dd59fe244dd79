import json
import shlex
import subprocess

import pytest

from experiments.running.arguments import RunArguments
from experiments.running.command_line import command_line, python_command
from experiments.running.run_folder import RunFolder, versions
from layeredrl.errors import RunFolderError


def test_the_default_place_tells_experiment_environment_and_seed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = RunFolder("planner", RunArguments(env_id="module:Env-v0", seed=3))
    folder.close()
    assert folder.path.parts == ("runs", "planner", "module_Env-v0", "seed3")
    assert json.loads((folder.path / "args.json").read_text())["seed"] == 3


def test_a_run_is_never_overwritten_unasked(tmp_path):
    arguments = RunArguments(run_dir=tmp_path / "run")
    RunFolder("planner", arguments).close()
    (tmp_path / "run" / "result.json").write_text("{}")
    with pytest.raises(RunFolderError, match="overwrite"):
        RunFolder("planner", arguments)
    assert (tmp_path / "run" / "result.json").exists()
    again = RunArguments(run_dir=tmp_path / "run", overwrite=True)
    RunFolder("planner", again).close()
    assert not (tmp_path / "run" / "result.json").exists()


def test_what_is_no_run_is_never_emptied(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match="something else"):
        RunFolder("planner", RunArguments(run_dir=tmp_path, overwrite=True))
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="file"):
        RunFolder("planner", RunArguments(run_dir=tmp_path / "file" / "run"))


def test_a_failing_write_is_named(tmp_path):
    folder = RunFolder("planner", RunArguments(run_dir=tmp_path / "run"))
    (folder.path / "result.json").mkdir()
    with pytest.raises(RunFolderError, match="result.json"):
        folder.write_json("result.json", {})
    folder.close()


def test_versions_name_what_matters():
    found = versions()
    assert found["torch"].startswith("2")
    assert {"python", "gymnasium", "layeredrl"} <= set(found)


def test_the_command_can_be_given_to_a_shell_again(monkeypatch):
    options = ["--learner-options", "learning_rate=1e-3 -> 1e-4 in 60000"]
    monkeypatch.setattr("sys.argv", ["run.py", *options])
    assert shlex.split(command_line())[-2:] == options


def test_commands_for_this_interpreter_can_be_given_to_a_shell(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    told = python_command("-c", "print('here')")
    found = subprocess.run(told, shell=True, capture_output=True, text=True)
    assert found.stdout == "here\n"
    monkeypatch.setattr("sys.executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert python_command("-m", "tensorboard.main") == (
        ".venv/bin/python -m tensorboard.main"
    )
