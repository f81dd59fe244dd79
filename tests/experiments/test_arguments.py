import dataclasses
import sys
from types import SimpleNamespace

import pytest

from experiments.planner import PRESETS, PlannerArguments
from experiments.running.arguments import LaunchArguments, RunArguments, as_plain
from experiments.running.command_line import parse_arguments, parse_program
from layeredrl.errors import ConfigurationError


def parse(*words):
    return parse_arguments(PlannerArguments, PRESETS, "text", words)


def test_defaults_are_written_once():
    assert parse() == PlannerArguments()


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_set_defaults_that_the_command_line_overrides(name):
    assert parse("--preset", name) == PRESETS[name]
    assert parse(f"--preset={name}") == PRESETS[name]
    changed = parse("--seed", "7", "--preset", name, "--horizon", "3")
    assert changed == dataclasses.replace(PRESETS[name], seed=7, horizon=3)


def test_unknown_preset_names_the_known_ones():
    with pytest.raises(ConfigurationError, match="nope.*fetch-reach"):
        parse("--preset", "nope")
    with pytest.raises(ConfigurationError):
        parse("--preset")
    with pytest.raises(ConfigurationError, match="nope"):
        parse("--preset=nope")


def test_a_typo_ends_with_the_right_name(capsys):
    with pytest.raises(SystemExit) as exit_info:
        parse("--horizn", "3")
    assert exit_info.value.code == 2
    assert "--horizon" in capsys.readouterr().err


def test_help_shows_the_presets_defaults(capsys):
    with pytest.raises(SystemExit) as exit_info:
        parse("--preset", "inverted-pendulum", "--help")
    assert exit_info.value.code == 0
    shown = capsys.readouterr().out
    assert "InvertedPendulum-v5" in shown and "fetch-reach" in shown
    assert "--preset NAME" in shown


def test_help_is_running_text(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    shown = capsys.readouterr().out
    assert "``" not in shown
    words = " ".join(shown.replace("│", " ").split())
    told = (
        "Further ones, or others, of the training environment alone. Shorter episodes"
    )
    assert told in words  # of the class above, over two lines of its source


def test_environment_arguments_are_python_values():
    entries = ("size=3", "name=UMaze", "flag=True", "maze=[[1, 0], [0, 1]]", "eq=a=b")
    parsed = RunArguments(env_kwargs=entries).parsed_env_kwargs()
    assert parsed == {
        "size": 3,
        "name": "UMaze",
        "flag": True,
        "maze": [[1, 0], [0, 1]],
        "eq": "a=b",
    }


def test_an_environment_argument_without_value_is_refused():
    with pytest.raises(ConfigurationError, match="size"):
        RunArguments(env_kwargs=("size",)).parsed_env_kwargs()


@pytest.mark.parametrize(
    "name",
    [
        "n_envs",
        "total_env_steps",
        "n_test_episodes",
        "n_eval_episodes",
        "n_eval_envs",
        "torch_threads",
    ],
)
def test_counts_must_be_positive(name):
    with pytest.raises(ConfigurationError, match=name):
        RunArguments(**{name: 0})
    with pytest.raises(ConfigurationError, match="test_interval"):
        RunArguments(test_interval=-1)


def test_arguments_are_written_as_plain_values(tmp_path):
    plain = as_plain(PlannerArguments(run_dir=tmp_path))
    assert plain["run_dir"] == str(tmp_path)
    assert plain["state_keys"] == ["achieved_goal"]
    assert set(plain) == {f.name for f in dataclasses.fields(PlannerArguments)}


def test_what_it_says_of_wrong_words_names_the_program_as_it_is_started(
    monkeypatch, capsys
):
    module = SimpleNamespace(name="experiments.planner")
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", module)
    for word in ("--help", "--horizn"):
        with pytest.raises(SystemExit):
            parse_program(PlannerArguments, PRESETS, "", LaunchArguments(), [word])
        captured = capsys.readouterr()
        assert "python -m experiments.planner" in captured.out + captured.err
